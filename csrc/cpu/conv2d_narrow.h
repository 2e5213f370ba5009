// Few filters fill a part of a vector. Neighbouring pixels of the result lie side by side in
// memory, so several of them are computed as one pixel with as many times the filters: its windows
// are as wide as all of theirs, and a filter is zero where the window of another pixel is. With 6
// filters of 5 x 5 and vectors of 16, two pixels take 6 steps along a row of the kernel instead of
// 10. The gradient of such weights is that of the wide ones, whose parts are added up.
#pragma once

#include "cpu/conv2d_correlate.h"
#include "cpu/conv2d_weight.h"

namespace weft::cpu::WEFT_ISA::conv {

// How many pixels are best computed together; 1 where that gains too little.
template <class T>
inline int64_t pixels_together(const Windows& w, const Images<T>& y) {
  constexpr double kGain = 0.85;  // against edges, where wide windows see less of the image
  if (y.pixel != y.C || w.dilation_w != 1 || w.R * w.S <= 1) return 1;
  int64_t best = 1;
  double least = kGain * static_cast<double>(w.S);  // steps for one pixel
  for (int64_t m = 2; m * y.C <= gemm::kLanes<T>; m++) {
    const double steps = static_cast<double>(w.S + (m - 1) * w.stride_w) / static_cast<double>(m);
    if (w.Q % m == 0 && steps < least) best = m, least = steps;
  }
  return best;
}

// `m` windows, or pixels, as one.
inline Windows joined(Windows w, int64_t m) {
  w.S += (m - 1) * w.stride_w;
  w.stride_w *= m;
  w.Q /= m;
  return w;
}
template <class T>
inline Images<T> joined(Images<T> y, int64_t m) {
  y.W /= m;
  y.C *= m;
  y.pixel *= m;
  return y;
}

// A correlation with `m` pixels as one, and what it reads: `weights` are (R * S * C) x K, rows ldw
// apart.
template <class T>
class Together {
 public:
  Together(const Correlation<T>& c, const T* weights, int64_t ldw, int64_t m)
      : c_(c),
        steps_(c.windows.R * joined(c.windows, m).S * c.x.C),
        bias_(m * c.y.C),
        packed_(gemm::packed_size<T>(steps_, m * c.y.C)) {
    pack(weights, ldw, m);
    c_.weights = packed_.get();
    if (c.bias != nullptr) {
      for (int64_t j = 0; j < m; j++)
        memcpy(bias_.get() + j * c.y.C, c.bias, static_cast<size_t>(c.y.C) * sizeof(T));
      c_.bias = bias_.get();
    }
    c_.windows = joined(c.windows, m);
    c_.y = joined(c.y, m);
    c_.together = m;
  }
  const Correlation<T>& correlation() const { return c_; }

 private:
  void pack(const T* weights, int64_t ldw, int64_t m) {
    const int64_t S = c_.windows.S, columns = joined(c_.windows, m).S;
    const int64_t inputs = c_.x.C, K = c_.y.C, width = m * K;
    Scratch<T> wide(steps_ * width);
    clear(wide.get(), steps_ * width);
    for (int64_t r = 0; r < c_.windows.R; r++)
      for (int64_t j = 0; j < m; j++)
        for (int64_t i = 0; i < S * inputs; i++) {
          const int64_t step = (r * columns + j * c_.windows.stride_w) * inputs + i;
          memcpy(wide.get() + step * width + j * K, weights + (r * S * inputs + i) * ldw,
                 static_cast<size_t>(K) * sizeof(T));
        }
    gemm::pack_b(steps_, width, wide.get(), width, int64_t{1}, packed_.get());
  }

  Correlation<T> c_;
  int64_t steps_;
  Scratch<T> bias_, packed_;
};

// dw, whose rows are g.ldw apart, with `m` windows as one.
template <class T>
inline void weight_gradient_together(const WeightGradient<T>& g, int64_t m, T* dw) {
  const Windows wide = joined(g.windows, m);
  const int64_t inputs = g.x.C, K = g.dy.C, S = g.windows.S, width = m * K;
  Scratch<T> sums(wide.R * wide.S * inputs * width);
  sum_all_bands(WeightGradient<T>{g.x, wide, joined(g.dy, m), width}, sums.get());
  for (int64_t r = 0; r < wide.R; r++)
    for (int64_t i = 0; i < S * inputs; i++) {
      T* to = dw + (r * S * inputs + i) * g.ldw;
      clear(to, K);
      for (int64_t j = 0; j < m; j++) {
        const int64_t step = (r * wide.S + j * g.windows.stride_w) * inputs + i;
        const T* from = sums.get() + step * width + j * K;
        for (int64_t k = 0; k < K; k++) to[k] += from[k];
      }
    }
}

}  // namespace weft::cpu::WEFT_ISA::conv
