#include "ops/elementwise_chain.h"

#include "ops/cast.h"

namespace weft {

namespace kernels {
constinit Kernel<ChainParams> elementwise_chain("elementwise_chain", Numbers::on_host_too);
}  // namespace kernels

namespace {

template <class... Functors>
Interprets interpreted(FunctorList<Functors...>) {
  return Interprets(kernels::elementwise_chain,
                    {&kernels::elementwise<Functors>..., &kernels::cast});
}

const Interprets interprets = interpreted(functors::Interpreted{});

}  // namespace

}  // namespace weft
