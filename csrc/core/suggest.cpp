#include "core/suggest.h"

#include <algorithm>

namespace weft {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); j++) row[j] = j;
  for (size_t i = 1; i <= a.size(); i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); j++) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string suggest(std::string_view given, const std::vector<std::string_view>& known) {
  std::string message, list;
  size_t best = given.size() / 2 + 1;
  std::string_view nearest;
  for (std::string_view candidate : known) {
    list.append(list.empty() ? "" : ", ").append(candidate);
    if (const size_t distance = edit_distance(given, candidate); distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  if (!nearest.empty()) message.append("; did you mean '").append(nearest).append("'?");
  return message.append(message.empty() ? "; known: " : " Known: ").append(list);
}

}  // namespace weft
