// Devices are values: "cpu", "meta" (shapes only), "sim" and "cuda:0".
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

namespace weft {

enum class DeviceType : uint8_t { cpu, meta, sim, cuda };
inline constexpr int kNumDeviceTypes = 4;

struct Device {
  DeviceType type = DeviceType::cpu;
  int8_t index = 0;

  friend bool operator==(const Device&, const Device&) = default;
};

Device parse_device(std::string_view text);  // ValueError lists the known names
std::string to_string(Device device);
bool is_available(DeviceType type);  // has kernels and memory in this process
std::ostream& operator<<(std::ostream& out, Device device);

}  // namespace weft
