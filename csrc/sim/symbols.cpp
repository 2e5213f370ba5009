#include "sim/symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>
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

std::string without_namespaces(std::string text) {
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
  return text;
}

std::string shorten(std::string text) {
  text = without_namespaces(std::move(text));
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

std::vector<std::string> addr2line(const char* options, const char* file,
                                   const std::vector<uintptr_t>& offsets) {
  std::string command = std::string("addr2line ") + options + " -e " + quoted(file);
  for (const uintptr_t offset : offsets) {
    char address[32];
    std::snprintf(address, sizeof address, " 0x%zx", static_cast<size_t>(offset));
    command += address;
  }
  command += " 2>/dev/null";
  std::vector<std::string> lines;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return lines;
  char buffer[4096];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) {
    buffer[std::strcspn(buffer, "\n")] = '\0';
    lines.emplace_back(buffer);
  }
  pclose(pipe);
  return lines;
}

// Kernel files are compiled through wrappers of one line (cmake/gpu.cmake), and binutils 2.40 takes
// the wrapper for the first functions of the file it includes.
std::string without_wrapper(std::string line) {
  const size_t folder = line.rfind("/sim"), extension = line.rfind(".cpp:");
  if (folder == std::string::npos || extension == std::string::npos) return line;
  const size_t slash = line.find('/', folder + 1);
  if (line.find("csrc/sim/") != std::string::npos || line.find('/', slash + 1) != std::string::npos)
    return line;
  return line.substr(0, folder) + "/cuda" + line.substr(slash, extension - slash) + ".cu" +
         line.substr(extension + 4);
}

// addr2line -i prints the chain of inlined callers, innermost first: the first that is not a
// wrapper is the kernel's line.
std::string source_line(const Location& location) {
  std::string best;
  for (std::string line : addr2line("-i", location.file, {location.offset - 1})) {
    line.resize(std::min(line.size(), line.find(' ')));
    line = without_wrapper(std::move(line));
    if (line.starts_with("??") || line.ends_with(":?") || line.ends_with(":0")) continue;
    if (best.empty() || is_wrapper(best)) best = line;
  }
  return best.empty() ? "" : file_name(best);
}

// A kernel with internal linkage is known to the debug information alone. Without that addr2line
// names whatever symbol comes before, so a known line is asked for too.
std::string function_from_debug_information(const void* function) {
  Location location;
  if (!locate(function, location)) return "";
  const std::vector<std::string> lines = addr2line("-f", location.file, {location.offset});
  const bool known = lines.size() > 1 && !lines[1].starts_with("??");
  return known ? demangle(lines[0].c_str()) : "";
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
    entry->second = shorten(function_from_debug_information(function));
  if (entry->second.empty()) entry->second = "a kernel";
  return entry->second;
}

std::vector<KernelPlace> kernel_places(const std::vector<const void*>& functions) {
  std::vector<uintptr_t> offsets;
  const char* file = nullptr;  // all kernels are in this one
  for (const void* function : functions) {
    Location location;
    if (!locate(function, location)) continue;
    offsets.push_back(location.offset);
    file = location.file;
  }
  std::vector<KernelPlace> places;
  if (file == nullptr) return places;
  const std::vector<std::string> lines = addr2line("-f", file, offsets);
  for (size_t i = 0; i + 1 < lines.size(); i += 2) {
    std::string source = file_name(without_wrapper(lines[i + 1]));
    source.resize(std::min(source.size(), source.find(':')));
    places.push_back({source, without_namespaces(demangle(lines[i].c_str()))});
  }
  return places;
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
