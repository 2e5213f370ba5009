#include "core/device.h"

#include <charconv>
#include <ostream>

#include "core/check.h"
#include "core/suggest.h"

namespace weft {
namespace {

constexpr const char* kNames[kNumDeviceTypes] = {"cpu", "meta", "sim", "cuda"};

}  // namespace

Device parse_device(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  int index = 0;
  bool valid_index = true;
  if (colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    valid_index = error == std::errc() && end == digits.data() + digits.size() && index >= 0 &&
                  index < kMaxDevices;
  }
  check(valid_index, "device '", text,
        "': after the colon stands the number of the device, as in 'cuda:0'");
  for (int i = 0; i < kNumDeviceTypes; i++)
    if (kind == kNames[i]) return {static_cast<DeviceType>(i), static_cast<int8_t>(index)};
  fail(ErrorKind::value, "unknown device '", text, "'",
       suggest(kind, {kNames, kNames + kNumDeviceTypes}));
}

std::string to_string(Device device) {
  std::string text = kNames[static_cast<int>(device.type)];
  const bool only_one = device.type != DeviceType::cuda && device.index == 0;
  if (!only_one) text += ":" + std::to_string(device.index);
  return text;
}

std::ostream& operator<<(std::ostream& out, Device device) { return out << to_string(device); }

}  // namespace weft
