// Warnings that leave C++ as Python's. Nothing here concerns kernels.
#pragma once

#include <string>

namespace weft {

// How a warning reaches the user; without a hook it does not. On the calling thread, which must
// hold no lock: the hook runs Python's code.
using WarningHook = void (*)(const std::string& message);
inline WarningHook warning_hook = nullptr;

inline void warn(const std::string& message) {
  if (warning_hook != nullptr) warning_hook(message);
}

}  // namespace weft
