// Errors that leave C++ as Python exceptions, and `check`, the one way to raise them.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace weft {

enum class ErrorKind { value, type, index, memory, not_implemented, runtime };

// One C++ exception for all user errors; the binding turns `kind` into the Python type.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

template <class... Parts>
[[noreturn]] [[gnu::cold, gnu::noinline]] void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(kind, message.str());
}

// check(condition, "conv2d: x must have 4 axes, got ", x.shape()) raises ValueError.
template <class... Parts>
inline void check(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(ErrorKind::value, parts...);
}

template <class... Parts>
inline void check_type(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(ErrorKind::type, parts...);
}

template <class... Parts>
inline void check_index(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(ErrorKind::index, parts...);
}

}  // namespace weft
