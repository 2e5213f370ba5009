// "did you mean": the nearest known name, for errors about unknown ones.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft {

// "; did you mean 'float32'? Known: bool, uint8, ..." (the question only when a name is near).
std::string suggest(std::string_view given, const std::vector<std::string_view>& known);

}  // namespace weft
