#include "core/passes/fused.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/launch.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/tail.h"

namespace weft {

constinit thread_local const Tail* next_tail = nullptr;

namespace {

constexpr int64_t kGrain = 32 * 1024;  // elements: parts of fewer go to one thread

void place(const Fused::View& view, const Operand* operands, Operand& placed) {
  placed = view.operand;
  if (view.from >= 0) placed.data = operands[view.from].data;
}

struct Columns {
  int64_t begin, end;
};

// The elementwise steps on these columns of rows [begin, end).
void run_rows(const Fused& fused, const Operand* operands, int64_t begin, int64_t end,
              Columns columns) {
  const size_t first = fused.has_first ? 1 : 0, first_view = fused.steps[first].first;
  const size_t count = fused.views.size() - first_view;
  const Scratch<char> scratch(fused.scratch_bytes);
  const Scratch<Operand> placed(static_cast<int64_t>(count));
  for (size_t k = 0; k < count; k++) {
    const Fused::View& view = fused.views[first_view + k];
    place(view, operands, *new (&placed[static_cast<int64_t>(k)]) Operand);
    Operand& own = placed[static_cast<int64_t>(k)];
    if (view.from < 0 && own.present) own.data = scratch.get() + view.scratch;
    if (view.from >= 0) own.data = static_cast<char*>(own.data) + begin * view.bytes_per_row;
    if (!view.narrows) continue;
    own.shape[own.shape.size() - 1] = columns.end - columns.begin;
    if (view.from >= 0)
      own.data =
          static_cast<char*>(own.data) + columns.begin * static_cast<int64_t>(itemsize(own.dtype));
  }
  for (int64_t row = begin; row < end;) {
    const int64_t rows = std::min(fused.part, end - row);
    for (size_t k = 0; k < count; k++)
      if (fused.views[first_view + k].shrinks) placed[static_cast<int64_t>(k)].shape[0] = rows;
    for (size_t i = first; i < fused.steps.size(); i++) {
      const Fused::Step& step = fused.steps[i];
      step.kernel(step.params.data(), placed.get() + (step.first - first_view));
    }
    row += rows;
    for (size_t k = 0; k < count; k++) {
      const Fused::View& view = fused.views[first_view + k];
      Operand& own = placed[static_cast<int64_t>(k)];
      if (view.from >= 0) own.data = static_cast<char*>(own.data) + rows * view.bytes_per_row;
    }
  }
}

struct FusedTail : Tail {
  const Fused& fused;
  const Operand* operands;
};

void run_part(const Tail& tail, int64_t row, int64_t end_row, int64_t column, int64_t end_column) {
  const auto& own = static_cast<const FusedTail&>(tail);
  run_rows(own.fused, own.operands, row, end_row, {column, end_column});
}

// A tail that no kernel took must not meet the next kernel.
class TailScope {
 public:
  explicit TailScope(const Tail& tail) : tail_(tail) { next_tail = &tail; }
  ~TailScope() { next_tail = nullptr; }
  TailScope(const TailScope&) = delete;
  TailScope& operator=(const TailScope&) = delete;
  bool taken() const { return next_tail != &tail_; }

 private:
  const Tail& tail_;
};

}  // namespace

void run_fused(const void* params, const Operand* operands) {
  const Fused* pointer;
  std::memcpy(static_cast<void*>(&pointer), params, sizeof pointer);
  const Fused& fused = *pointer;
  if (fused.has_first) {
    const Fused::Step& step = fused.steps[0];
    Operand placed[kMaxOperands];
    for (int k = 0; k < step.operands; k++)
      place(fused.views[static_cast<size_t>(k)], operands, placed[k]);
    const FusedTail tail{{&run_part, fused.inner}, fused, operands};
    {
      const TailScope scope(tail);
      step.kernel(step.params.data(), placed);
      if (scope.taken()) return;
    }
  }
  const int64_t chunk = std::max(fused.part, kGrain / fused.inner / fused.part * fused.part);
  parallel_for(fused.rows, chunk, [&](int64_t begin, int64_t end) {
    run_rows(fused, operands, begin, end, {0, fused.inner});
  });
}

}  // namespace weft
