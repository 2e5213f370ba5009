#include "core/passes/draft.h"

namespace weft {

const std::vector<Pass>& passes() {
  static const std::vector<Pass> all = {
      {"dead", "launches whose results nobody reads are left out", &remove_dead_launches},
      {"epilogues", "a bias and a ReLU are added by the kernel of a product before it is written",
       &fold_epilogues},
      {"tails", "elementwise launches run on each part of a result that is just complete",
       &fuse_tails},
      {"chains", "elementwise launches run one after the other on parts that stay in the cache",
       &fuse_chains},
  };
  return all;
}

}  // namespace weft
