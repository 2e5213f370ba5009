// What the checker found wrong, each mistake once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "sim/vector_types.h"

namespace weft::simulator {

struct Place {
  cuda::uint3 block{}, thread{};
  const void* pc = nullptr;
};

// Kinds, in the words of reports.
namespace kinds {
inline constexpr const char* out_of_bounds = "out of bounds";
inline constexpr const char* uninitialised = "uninitialised read";
inline constexpr const char* race = "race";
inline constexpr const char* barrier = "divergent barrier";
inline constexpr const char* deadlock = "deadlock";
inline constexpr const char* misaligned = "misaligned access";
inline constexpr const char* async_copy = "asynchronous copy";
inline constexpr const char* synchronisation = "misused synchronisation";
inline constexpr const char* fault = "fault";
}  // namespace kinds

struct Finding {
  const char* kind;
  const void* kernel;
  Place place;
  std::string line;     // known already, or empty: place.pc tells
  std::string problem;  // "reads 4 bytes of shared memory ..."
  std::string other;    // "which thread (3,0,0) wrote"; its line is added
  const void* other_pc = nullptr;
  uint64_t count = 1;
};

// With names and lines looked up.
struct Report {
  std::string kind, kernel, line;
  cuda::uint3 block, thread;
  std::string message, other_line;
  uint64_t count;
};

class Findings {
 public:
  void add(Finding finding);
  size_t size() const { return findings_.size(); }
  std::vector<Report> take();

 private:
  using Key = std::tuple<std::string, const void*, const void*, const void*, std::string>;
  std::vector<Finding> findings_;
  std::map<Key, size_t> known_;
};

std::string to_text(cuda::uint3 v);  // "(1,0,0)"

}  // namespace weft::simulator
