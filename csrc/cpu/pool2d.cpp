// Pooling, vectorised over channels: one block of up to four registers of channels walks over its
// window, so loop overhead is shared by four vectors. Bound by memory for the usual 2x2 windows.
#include "ops/pool2d.h"

#include <string.h>

#include "core/parallel.h"
#include "core/tail.h"
#include "cpu/channels.h"
#include "cpu/extreme.h"
#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {
namespace {

using simd::kLanes;
using simd::Mask;
using simd::Vec;

constexpr int64_t kGrain = 32 * 1024;   // elements of x per chunk: about 10 us from memory
constexpr int64_t kTailed = 32 * 1024;  // elements of a part for the tail: they are still in L1

// Indices are kept narrow (I) and widened to the lanes of T.
template <class T, class I>
struct Indices {
  typedef I type __attribute__((vector_size(kLanes<T> * sizeof(I))));
};
template <bool kTail, class T, class I>
WEFT_INLINE Mask<T> load_indices(const I* p, int tail) {
  typename Indices<T, I>::type narrow{};
#if defined(__AVX512BW__)
  if constexpr (kTail && sizeof(I) == 1) {  // a memcpy of unknown length is a call
    const __m128i bytes = _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << tail) - 1), p);
    memcpy(&narrow, &bytes, sizeof(narrow));
    return __builtin_convertvector(narrow, Mask<T>);
  }
#endif
  memcpy(&narrow, p, (kTail ? static_cast<size_t>(tail) : kLanes<T>)*sizeof(I));
  return __builtin_convertvector(narrow, Mask<T>);
}
template <bool kTail, class T, class I>
WEFT_INLINE void store_indices(I* p, Mask<T> v, int tail) {
  const auto narrow = __builtin_convertvector(v, typename Indices<T, I>::type);
#if defined(__AVX512BW__)
  if constexpr (kTail && sizeof(I) == 1) {
    __m128i bytes = _mm_setzero_si128();
    memcpy(&bytes, &narrow, sizeof(narrow));
    _mm_mask_storeu_epi8(p, static_cast<__mmask16>((1u << tail) - 1), bytes);
    return;
  }
#endif
  memcpy(p, &narrow, (kTail ? static_cast<size_t>(tail) : kLanes<T>)*sizeof(I));
}

template <class T>
WEFT_INLINE Mask<T> broadcast_index(int64_t i) {
  using Int = typename simd::SignedOf<T>::type;
  return static_cast<Int>(i) - Mask<T>{};
}

// The part of a window inside the image, and where it starts in x.
struct Patch {
  int64_t rows, columns;
  int64_t first;  // r * S + s of its first pixel
  int64_t start;  // offset of that pixel in x
};

inline int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }

// A row of windows: the rows of x in it, r * S of the first, and where that one starts in x.
struct Band {
  int64_t rows, first, start;

  Band(const Pool2dParams& p, int64_t row) {
    const int64_t top = row % p.P * p.stride_h - p.pad_top, h = at_least(top, 0);
    rows = at_most(top + p.R, p.H) - h;
    first = (h - top) * p.S;
    start = (row / p.P * p.H + h) * p.W * p.C;
  }
  Patch patch(const Pool2dParams& p, int64_t q) const {
    const int64_t left = q * p.stride_w - p.pad_left, w = at_least(left, 0);
    return {rows, at_most(left + p.S, p.W) - w, first + (w - left), start + w * p.C};
  }
};

// body(patch, y offset) for every window; rows of y are shared among threads.
template <class Body>
inline void for_each_window(const Pool2dParams& p, Body&& body) {
  const int64_t row_work = p.Q * p.C * at_least(p.R * p.S, 1);
  parallel_for(p.N * p.P, kGrain / at_least(row_work, 1), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const Band band(p, row);  // divisions cost as much as a window
      for (int64_t q = 0; q < p.Q; q++) body(band.patch(p, q), (row * p.Q + q) * p.C);
    }
  });
}

struct NoIndex {};

// GCC 12 otherwise loads a value again for each of its uses, and loads are the limit in L2 and L3.
template <class V>
WEFT_INLINE void keep_in_register([[maybe_unused]] V& v) {
#if defined(__x86_64__)
  asm("" : "+v"(v));
#endif
}

// Without places, NaN needs one comparison for two pixels (see NanLanes) in place of four
// instructions for each.
template <int kVectors, bool kTail, class T>
WEFT_INLINE void max_of_patch(const Pool2dParams& p, const Patch& patch, const T* x, T* y, NoIndex*,
                              int tail) {
  constexpr int L = kLanes<T>;
  Vec<T> best[kVectors];
  NanLanes<T> nan[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; v++) best[v] = simd::broadcast(lowest<T>());
  for (int64_t r = 0; r < patch.rows; r++) {
    const T* pixel = x + r * p.W * p.C;
    int64_t s = 0;
    for (; s + 2 <= patch.columns; s += 2, pixel += 2 * p.C)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) {
        Vec<T> a = load_channels<kTail>(pixel + v * L, tail);
        Vec<T> b = load_channels<kTail>(pixel + p.C + v * L, tail);
        keep_in_register(a);
        keep_in_register(b);
        nan[v].note(a, b);
        best[v] = simd::max(simd::max(b, a), best[v]);
      }
    if (s == patch.columns) continue;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) {
      const Vec<T> a = load_channels<kTail>(pixel + v * L, tail);
      nan[v].note(a, a);
      best[v] = simd::max(a, best[v]);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; v++) store_channels<kTail>(y + v * L, nan[v].mark(best[v]), tail);
}

template <int kVectors, bool kTail, class T, class I>
WEFT_INLINE void max_of_patch(const Pool2dParams& p, const Patch& patch, const T* x, T* y,
                              I* indices, int tail) {
  constexpr int L = kLanes<T>;
  Vec<T> best[kVectors];
  Mask<T> place[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; v++) {
    best[v] = load_channels<kTail>(x + v * L, tail);
    place[v] = broadcast_index<T>(patch.first);
  }
  for (int64_t r = 0; r < patch.rows; r++) {
    const T* pixel = x + r * p.W * p.C;
    for (int64_t s = 0; s < patch.columns; s++, pixel += p.C) {
      const Mask<T> here = broadcast_index<T>(patch.first + r * p.S + s);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) {
        const Vec<T> value = load_channels<kTail>(pixel + v * L, tail);
        // Greater, or the first NaN.
        const Mask<T> wins = ~(value <= best[v]) & (best[v] == best[v]);
        best[v] = simd::select(wins, value, best[v]);
        place[v] = simd::select(wins, here, place[v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; v++) {
    store_channels<kTail>(y + v * L, best[v], tail);
    store_indices<kTail, T>(indices + v * L, place[v], tail);
  }
}

template <class T, class I>
void max_forward(const Pool2dParams& p, const T* x, T* y, I* indices) {
  for_each_window(p, [&](const Patch& patch, int64_t out) {
    for_channels<T, 4>(p.C, [&]<int kVectors, bool kTail>(int64_t c, int tail) {
      I* places = nullptr;
      if constexpr (!__is_same(I, NoIndex)) places = indices + out + c;
      max_of_patch<kVectors, kTail>(p, patch, x + patch.start + c, y + out + c, places, tail);
    });
  });
}

template <class T>
void max_pool2d_forward(const Pool2dParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  T* y = operands[1].as<T>();
  const Operand& indices = operands[2];
  if (!indices.present)
    max_forward<T, NoIndex>(p, x, y, nullptr);
  else if (indices.dtype == DType::uint8)
    max_forward(p, x, y, indices.as<uint8_t>());
  else
    max_forward(p, x, y, indices.as<int32_t>());
}

template <class T, class I>
void gather(const Pool2dParams& p, const T* x, const I* indices, T* y) {
  for_each_window(p, [&](const Patch& patch, int64_t out) {
    for_channels<T, 4>(p.C, [&]<int kVectors, bool kTail>(int64_t c, int tail) {
      constexpr int L = kLanes<T>;
      for (int v = 0; v < kVectors; v++) {
        const Mask<T> place = load_indices<kTail, T>(indices + out + c + v * L, tail);
        Vec<T> found{};
        for (int64_t r = 0; r < patch.rows; r++)
          for (int64_t s = 0; s < patch.columns; s++) {
            const T* pixel = x + patch.start + (r * p.W + s) * p.C + c + v * L;
            found = simd::select(place == broadcast_index<T>(patch.first + r * p.S + s),
                                 load_channels<kTail>(pixel, tail), found);
          }
        store_channels<kTail>(y + out + c + v * L, found, tail);
      }
    });
  });
}

template <class T>
void max_pool2d_gather(const Pool2dParams& p, const Operand* operands) {
  const Operand& indices = operands[1];
  if (indices.dtype == DType::uint8)
    gather(p, operands[0].as<T>(), indices.as<uint8_t>(), operands[2].as<T>());
  else
    gather(p, operands[0].as<T>(), indices.as<int32_t>(), operands[2].as<T>());
}

template <class T>
void average_pool2d_forward(const Pool2dParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  T* y = operands[1].as<T>();
  for_each_window(p, [&](const Patch& patch, int64_t out) {
    const Vec<T> count = simd::broadcast(static_cast<T>(patch.rows * patch.columns));
    for_channels<T, 4>(p.C, [&]<int kVectors, bool kTail>(int64_t c, int tail) {
      constexpr int L = kLanes<T>;
      Vec<T> sum[kVectors] = {};
      for (int64_t r = 0; r < patch.rows; r++) {
        // One sum per row first: the rounding error grows with rows + columns, not their product.
        Vec<T> row_sum[kVectors] = {};
        const T* pixel = x + patch.start + r * p.W * p.C + c;
        for (int64_t s = 0; s < patch.columns; s++, pixel += p.C)
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; v++)
            row_sum[v] += load_channels<kTail>(pixel + v * L, tail);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) sum[v] += row_sum[v];
      }
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++)
        store_channels<kTail>(y + out + c + v * L, sum[v] / count, tail);
    });
  });
}

// Both backward kernels walk over the windows and spread each dy into dx. Windows of one image are
// handled in order by one thread where they overlap; where they do not, rows of windows are shared
// among threads. spread.template operator()<kAdd>(patch, offset in dy) handles one window: it adds
// to dx where windows overlap (dx is cleared just ahead) and overwrites dx where they do not.
template <class T, class Spread>
inline void for_each_window_backward(const Pool2dParams& p, T* dx, Spread&& spread) {
  const int64_t row_size = p.W * p.C;
  const bool disjoint_rows = p.stride_h >= p.R, disjoint = disjoint_rows && p.stride_w >= p.S;
  const bool gapless = p.stride_h == p.R && p.stride_w == p.S && p.pad_top == 0 &&
                       p.pad_left == 0 && p.P * p.R == p.H && p.Q * p.S == p.W;
  const int64_t rows = disjoint_rows ? 1 : p.P;  // rows of windows per piece of work
  const int64_t pieces = disjoint_rows ? p.P : 1;
  const int64_t piece_work = p.H * row_size / pieces;
  const TailOfKernel tail;
  parallel_for(p.N * pieces, kGrain / at_least(piece_work, 1), [&](int64_t begin, int64_t end) {
    // Pieces follow each other in dx, also from one image to the next.
    const int64_t top = begin % pieces == 0 ? 0 : begin % pieces * p.stride_h - p.pad_top;
    int64_t tailed = (begin / pieces * p.H + top) * row_size;
    for (int64_t piece = begin; piece < end; piece++) {
      const int64_t n = piece / pieces, first = piece % pieces * rows, last = first + rows - 1;
      T* image = dx + n * p.H * row_size;
      // Rows of dx before `cleared` are ready.
      int64_t cleared = first == 0 ? 0 : at_least(first * p.stride_h - p.pad_top, 0);
      for (int64_t i = first; i <= last; i++) {
        const int64_t bottom = i * p.stride_h - p.pad_top + (disjoint_rows ? p.stride_h : p.R);
        const int64_t ready = i + 1 == p.P ? p.H : at_most(bottom, p.H);
        if (!gapless && ready > cleared)
          memset(image + cleared * row_size, 0,
                 static_cast<size_t>((ready - cleared) * row_size) * sizeof(T));
        cleared = at_least(cleared, ready);
        const int64_t row = n * p.P + i;
        const Band band(p, row);
        for (int64_t q = 0; q < p.Q; q++) {
          const int64_t from = (row * p.Q + q) * p.C;
          if (disjoint)
            spread.template operator()<false>(band.patch(p, q), from);
          else
            spread.template operator()<true>(band.patch(p, q), from);
        }
      }
      const int64_t complete = (n * p.H + cleared) * row_size;
      if (complete - tailed < kTailed && piece + 1 < end) continue;
      tail(tailed, complete);
      tailed = complete;
    }
  });
}

// dx += dy one by one: cheaper than looking at every place of a large window for every vector.
template <class T, class I>
void scatter(const Pool2dParams& p, const Patch& patch, const T* dy, const I* indices, T* dx) {
  for (int64_t c = 0; c < p.C; c++) {
    const int64_t r = indices[c] / p.S - patch.first / p.S;
    const int64_t s = indices[c] % p.S - patch.first % p.S;
    // An index that is not of this window must not write elsewhere.
    if (r < 0 || r >= patch.rows || s < 0 || s >= patch.columns) continue;
    dx[patch.start + (r * p.W + s) * p.C + c] += dy[c];
  }
}

template <class T, class I>
void max_backward(const Pool2dParams& p, const T* dy, const I* indices, T* dx) {
  if (p.R * p.S > 2 * kLanes<T>) {
    memset(dx, 0, static_cast<size_t>(p.N * p.H * p.W * p.C) * sizeof(T));
    parallel_for(p.N, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin * p.P; row < end * p.P; row++) {
        const Band band(p, row);
        for (int64_t q = 0, at = row * p.Q * p.C; q < p.Q; q++, at += p.C)
          scatter(p, band.patch(p, q), dy + at, indices + at, dx);
      }
    });
    return;
  }
  for_each_window_backward(p, dx, [&]<bool kAdd>(const Patch& patch, int64_t from) {
    for_channels<T, 4>(p.C, [&]<int kVectors, bool kTail>(int64_t c, int tail) {
      constexpr int L = kLanes<T>;
      Vec<T> value[kVectors];
      Mask<T> place[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) {
        value[v] = load_channels<kTail>(dy + from + c + v * L, tail);
        place[v] = load_indices<kTail, T>(indices + from + c + v * L, tail);
      }
      for (int64_t r = 0; r < patch.rows; r++) {
        T* pixel = dx + patch.start + r * p.W * p.C + c;
        for (int64_t s = 0; s < patch.columns; s++, pixel += p.C) {
          const Mask<T> here = broadcast_index<T>(patch.first + r * p.S + s);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; v++) {
            Vec<T> part = simd::select(place[v] == here, value[v], Vec<T>{});
            if constexpr (kAdd) part += load_channels<kTail>(pixel + v * L, tail);
            store_channels<kTail>(pixel + v * L, part, tail);
          }
        }
      }
    });
  });
}

template <class T>
void max_pool2d_backward(const Pool2dParams& p, const Operand* operands) {
  const Operand& indices = operands[1];
  if (indices.dtype == DType::uint8)
    max_backward(p, operands[0].as<T>(), indices.as<uint8_t>(), operands[2].as<T>());
  else
    max_backward(p, operands[0].as<T>(), indices.as<int32_t>(), operands[2].as<T>());
}

template <class T>
void average_pool2d_backward(const Pool2dParams& p, const Operand* operands) {
  const T* dy = operands[0].as<T>();
  T* dx = operands[1].as<T>();
  for_each_window_backward(p, dx, [&]<bool kAdd>(const Patch& patch, int64_t from) {
    const Vec<T> count = simd::broadcast(static_cast<T>(patch.rows * patch.columns));
    for_channels<T, 4>(p.C, [&]<int kVectors, bool kTail>(int64_t c, int tail) {
      constexpr int L = kLanes<T>;
      Vec<T> value[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++)
        value[v] = load_channels<kTail>(dy + from + c + v * L, tail) / count;
      for (int64_t r = 0; r < patch.rows; r++) {
        T* pixel = dx + patch.start + r * p.W * p.C + c;
        for (int64_t s = 0; s < patch.columns; s++, pixel += p.C)
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; v++) {
            Vec<T> sum = value[v];
            if constexpr (kAdd) sum += load_channels<kTail>(pixel + v * L, tail);
            store_channels<kTail>(pixel + v * L, sum, tail);
          }
      }
    });
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define FOR_ONE_DTYPE(T)                                                                      \
  kernel_entry<&max_pool2d_forward<T>>(kernels::max_pool2d_forward, dtype_of<T>),             \
      kernel_entry<&max_pool2d_backward<T>>(kernels::max_pool2d_backward, dtype_of<T>),       \
      kernel_entry<&max_pool2d_gather<T>>(kernels::max_pool2d_gather, dtype_of<T>),           \
      kernel_entry<&average_pool2d_forward<T>>(kernels::average_pool2d_forward, dtype_of<T>), \
      kernel_entry<&average_pool2d_backward<T>>(kernels::average_pool2d_backward, dtype_of<T>)
WEFT_CPU_KERNELS(pool2d, FOR_ONE_DTYPE(float), FOR_ONE_DTYPE(double))
