// Warp intrinsics: shuffles, votes, matches. Part of language.h.
#pragma once

namespace weft::simulator::cuda {

WEFT_SIM_FUNCTION void __syncwarp(uint32_t mask = 0xffffffffu) {
  char record = 0;
  warp_collective(mask, [](void**, uint32_t) {}, &record, "__syncwarp");
}

WEFT_SIM_FUNCTION uint32_t __activemask() { return active_mask(); }

namespace detail {

template <class T>
struct ShuffleRecord {
  T value;
  int source;
  T result;
};

template <class T>
WEFT_SIM_FUNCTION T shuffle(uint32_t mask, T value, int source, const char* name) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  using Record = ShuffleRecord<T>;
  Record record{value, source, value};
  warp_collective(
      mask,
      [](void** records, uint32_t lanes) {
        for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
          Record* mine = static_cast<Record*>(records[__builtin_ctz(rest)]);
          const Record* other = static_cast<const Record*>(records[mine->source & 31]);
          // From a lane that takes no part CUDA promises nothing; the own value stays.
          if (other != nullptr) mine->result = other->value;
        }
      },
      &record, name);
  return record.result;
}

template <class T>
struct MatchRecord {
  T value;
  uint32_t result;
  int all;
};

template <class T>
WEFT_SIM_FUNCTION MatchRecord<T> match(uint32_t mask, T value, const char* name) {
  using Record = MatchRecord<T>;
  Record record{value, 0, 1};
  warp_collective(
      mask,
      [](void** records, uint32_t lanes) {
        for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
          Record* mine = static_cast<Record*>(records[__builtin_ctz(rest)]);
          for (uint32_t others = lanes; others != 0; others &= others - 1) {
            const int lane = __builtin_ctz(others);
            const Record* other = static_cast<const Record*>(records[lane]);
            if (std::memcmp(&other->value, &mine->value, sizeof(T)) == 0)
              mine->result |= 1u << lane;
            else
              mine->all = 0;
          }
        }
      },
      &record, name);
  return record;
}

struct VoteRecord {
  int predicate;
  uint32_t ballot;
};

WEFT_SIM_FUNCTION uint32_t ballot(uint32_t mask, int predicate, const char* name) {
  VoteRecord record{predicate, 0};
  warp_collective(
      mask,
      [](void** records, uint32_t lanes) {
        uint32_t votes = 0;
        for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
          const int lane = __builtin_ctz(rest);
          if (static_cast<VoteRecord*>(records[lane])->predicate) votes |= 1u << lane;
        }
        for (uint32_t rest = lanes; rest != 0; rest &= rest - 1)
          static_cast<VoteRecord*>(records[__builtin_ctz(rest)])->ballot = votes;
      },
      &record, name);
  return record.ballot;
}

template <class T, class Combine>
WEFT_SIM_FUNCTION T reduce(uint32_t mask, T value, const char* name, Combine) {
  using Record = ShuffleRecord<T>;
  Record record{value, 0, value};
  warp_collective(
      mask,
      [](void** records, uint32_t lanes) {
        T result = static_cast<Record*>(records[__builtin_ctz(lanes)])->value;
        for (uint32_t rest = lanes & (lanes - 1); rest != 0; rest &= rest - 1)
          result = Combine{}(result, static_cast<Record*>(records[__builtin_ctz(rest)])->value);
        for (uint32_t rest = lanes; rest != 0; rest &= rest - 1)
          static_cast<Record*>(records[__builtin_ctz(rest)])->result = result;
      },
      &record, name);
  return record.result;
}

}  // namespace detail

// The source lane of a shuffle stays inside the lane's segment of `width` lanes.
template <class T>
WEFT_SIM_FUNCTION T __shfl_sync(uint32_t mask, T value, int source, int width = 32) {
  const int segment = current->lane & ~(width - 1);
  return detail::shuffle(mask, value, segment | (source & (width - 1)), "__shfl_sync");
}
template <class T>
WEFT_SIM_FUNCTION T __shfl_up_sync(uint32_t mask, T value, unsigned delta, int width = 32) {
  const int lane = current->lane, in_segment = lane & (width - 1);
  const int source = in_segment >= static_cast<int>(delta) ? lane - static_cast<int>(delta) : lane;
  return detail::shuffle(mask, value, source, "__shfl_up_sync");
}
template <class T>
WEFT_SIM_FUNCTION T __shfl_down_sync(uint32_t mask, T value, unsigned delta, int width = 32) {
  const int lane = current->lane, in_segment = lane & (width - 1);
  const int source =
      in_segment + static_cast<int>(delta) < width ? lane + static_cast<int>(delta) : lane;
  return detail::shuffle(mask, value, source, "__shfl_down_sync");
}
template <class T>
WEFT_SIM_FUNCTION T __shfl_xor_sync(uint32_t mask, T value, int bits, int width = 32) {
  const int lane = current->lane, other = lane ^ bits;
  // CUDA reads from earlier segments but never from later ones.
  const int source = other < (lane & ~(width - 1)) + width ? other : lane;
  return detail::shuffle(mask, value, source, "__shfl_xor_sync");
}

WEFT_SIM_FUNCTION uint32_t __ballot_sync(uint32_t mask, int predicate) {
  return detail::ballot(mask, predicate, "__ballot_sync");
}
WEFT_SIM_FUNCTION int __any_sync(uint32_t mask, int predicate) {
  return detail::ballot(mask, predicate, "__any_sync") != 0;
}
WEFT_SIM_FUNCTION int __all_sync(uint32_t mask, int predicate) {
  return detail::ballot(mask, !predicate, "__all_sync") == 0;
}
template <class T>
WEFT_SIM_FUNCTION uint32_t __match_any_sync(uint32_t mask, T value) {
  return detail::match(mask, value, "__match_any_sync").result;
}
template <class T>
WEFT_SIM_FUNCTION uint32_t __match_all_sync(uint32_t mask, T value, int* predicate) {
  const auto record = detail::match(mask, value, "__match_all_sync");
  *predicate = record.all;
  return record.all ? record.result : 0;
}

template <class T>
WEFT_SIM_FUNCTION T __reduce_add_sync(uint32_t mask, T value) {
  return detail::reduce(mask, value, "__reduce_add_sync", [](T a, T b) {
    return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
  });
}
template <class T>
WEFT_SIM_FUNCTION T __reduce_min_sync(uint32_t mask, T value) {
  return detail::reduce(mask, value, "__reduce_min_sync", [](T a, T b) { return a < b ? a : b; });
}
template <class T>
WEFT_SIM_FUNCTION T __reduce_max_sync(uint32_t mask, T value) {
  return detail::reduce(mask, value, "__reduce_max_sync", [](T a, T b) { return a < b ? b : a; });
}
WEFT_SIM_FUNCTION unsigned __reduce_and_sync(uint32_t mask, unsigned value) {
  return detail::reduce(mask, value, "__reduce_and_sync",
                        [](unsigned a, unsigned b) { return a & b; });
}
WEFT_SIM_FUNCTION unsigned __reduce_or_sync(uint32_t mask, unsigned value) {
  return detail::reduce(mask, value, "__reduce_or_sync",
                        [](unsigned a, unsigned b) { return a | b; });
}
WEFT_SIM_FUNCTION unsigned __reduce_xor_sync(uint32_t mask, unsigned value) {
  return detail::reduce(mask, value, "__reduce_xor_sync",
                        [](unsigned a, unsigned b) { return a ^ b; });
}

}  // namespace weft::simulator::cuda
