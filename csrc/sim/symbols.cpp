#include "sim/symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

namespace weft::simulator {
namespace {

constexpr size_t kLongestTemplateArguments = 60;

std::string demangle(const char* symbol) {
  int status = 0;
  char* text = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string result = status == 0 ? text : symbol;
  std::free(text);
  return result;
}

void erase_all(std::string& text, std::string_view part) {
  for (size_t at; (at = text.find(part)) != std::string::npos;) text.erase(at, part.size());
}

// The end of the name in "void weft::sim::softmax<(int)8>(int, float const*)": the parenthesis that
// opens outside of all angle brackets.
size_t end_of_name(const std::string& text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '<') depth++;
    if (text[i] == '>') depth--;
    if (text[i] == '(' && depth == 0 && text.compare(i, 11, "(anonymous ") != 0) return i;
  }
  return text.size();
}

std::string shorten(std::string text) {
  text.resize(end_of_name(text));
  // A template's demangled name starts with its return type.
  int depth = 0;
  for (size_t i = text.size(); i-- > 0;) {
    if (text[i] == '>') depth++;
    if (text[i] == '<') depth--;
    if (text[i] == ' ' && depth == 0 && text.compare(0, 5, "void ") == 0) {
      text.erase(0, 5);
      break;
    }
  }
  erase_all(text, "(anonymous namespace)::");
  for (const char* part : {"weft::sim_checked::", "weft::sim::", "weft::"}) erase_all(text, part);
  const size_t arguments = text.find('<');
  if (arguments != std::string::npos && text.size() - arguments > kLongestTemplateArguments)
    text = text.substr(0, arguments) + "<...>";
  return text;
}

struct Location {
  const char* file;
  uintptr_t offset;
};

bool locate(const void* pc, Location& location) {
  Dl_info info;
  if (dladdr(pc, &info) == 0 || info.dli_fname == nullptr) return false;
  location.file = info.dli_fname;
  location.offset = reinterpret_cast<uintptr_t>(pc) - reinterpret_cast<uintptr_t>(info.dli_fbase);
  return true;
}

std::string file_name(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

bool is_wrapper(const std::string& line) {
  for (const char* part : {"/sim/", "cuda/ptx", "cuda/gpu.h", "/c++/"})
    if (line.find(part) != std::string::npos) return true;
  return false;
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

// addr2line -i prints the chain of inlined callers, innermost first: the first that is not a
// wrapper is the kernel's line.
std::string source_line(const Location& location) {
  char offset[32];
  std::snprintf(offset, sizeof offset, "0x%zx", static_cast<size_t>(location.offset - 1));
  const std::string command =
      "addr2line -i -e " + quoted(location.file) + " " + offset + " 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string best;
  char buffer[1024];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) {
    std::string line = buffer;
    line.resize(line.find_first_of(" \n") == std::string::npos ? line.size()
                                                               : line.find_first_of(" \n"));
    if (line.find("??") != std::string::npos || line.ends_with(":?") || line.ends_with(":0"))
      continue;
    if (best.empty() || is_wrapper(best)) best = line;
  }
  pclose(pipe);
  return best.empty() ? "" : file_name(best);
}

}  // namespace

std::string kernel_name(const void* function) {
  static std::mutex mutex;
  static std::map<const void*, std::string> names;
  std::lock_guard lock(mutex);
  const auto [entry, fresh] = names.try_emplace(function);
  if (!fresh) return entry->second;
  Dl_info info;
  if (dladdr(function, &info) != 0 && info.dli_sname != nullptr && info.dli_saddr == function)
    entry->second = shorten(demangle(info.dli_sname));
  else
    entry->second = "kernel at " + describe_address(function);
  return entry->second;
}

std::string describe_address(const void* pc) {
  Location location;
  if (pc == nullptr || !locate(pc, location)) return "unknown place";
  static std::mutex mutex;
  static std::map<const void*, std::string> lines;
  std::lock_guard lock(mutex);
  const auto [entry, fresh] = lines.try_emplace(pc);
  if (!fresh) return entry->second;
  entry->second = source_line(location);
  if (entry->second.empty()) {
    char offset[32];
    std::snprintf(offset, sizeof offset, "+0x%zx", static_cast<size_t>(location.offset));
    entry->second = file_name(location.file) + offset;
  }
  return entry->second;
}

}  // namespace weft::simulator
