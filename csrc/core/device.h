// Devices are values: "cpu", "meta" (shapes only), "sim" and "cuda:0".
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

namespace weft {

enum class DeviceType : uint8_t { cpu, meta, sim, cuda };
inline constexpr int kNumDeviceTypes = 4;
inline constexpr int kMaxDevices = 128;  // of one type

struct Device {
  DeviceType type = DeviceType::cpu;
  int8_t index = 0;

  friend bool operator==(const Device&, const Device&) = default;
};

Device parse_device(std::string_view text);  // ValueError lists the known names
std::string to_string(Device device);
// Devices with a queue and memory of their own, whose tensors the CPU cannot read.
constexpr bool is_gpu(Device device) {
  return device.type == DeviceType::sim || device.type == DeviceType::cuda;
}
std::ostream& operator<<(std::ostream& out, Device device);

}  // namespace weft
