#include "sim/findings.h"

#include <utility>

#include "sim/symbols.h"

namespace weft::simulator {
namespace {

// A broken kernel may break at thousands of addresses: the first places tell enough.
constexpr size_t kMostFindings = 200;

Report describe(const Finding& f) {
  Report report{f.kind, kernel_name(f.kernel), f.line, f.place.block, f.place.thread, "", "",
                f.count};
  if (report.line.empty() && f.place.pc != nullptr) report.line = describe_address(f.place.pc);
  if (f.other_pc != nullptr) report.other_line = describe_address(f.other_pc);
  std::string& text = report.message;
  text = report.kind + ": " + report.kernel;
  if (!report.line.empty()) text += ", " + report.line;
  text += ", block " + to_text(f.place.block) + ", thread " + to_text(f.place.thread) + ": " +
          f.problem;
  if (!f.other.empty()) text += " " + f.other;
  if (!report.other_line.empty()) text += " at " + report.other_line;
  if (f.count > 1) text += " (" + std::to_string(f.count) + " times)";
  return report;
}

}  // namespace

std::string to_text(cuda::uint3 v) {
  return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")";
}

void Findings::add(Finding finding) {
  const Key key{finding.kind, finding.kernel, finding.place.pc, finding.other_pc, finding.line};
  const auto [entry, fresh] = known_.try_emplace(key, findings_.size());
  if (!fresh) {
    findings_[entry->second].count++;
  } else if (findings_.size() < kMostFindings) {
    findings_.push_back(std::move(finding));
  } else {
    known_.erase(entry);
  }
}

std::vector<Report> Findings::take() {
  std::vector<Report> reports;
  for (const Finding& finding : findings_) reports.push_back(describe(finding));
  findings_.clear();
  known_.clear();
  return reports;
}

}  // namespace weft::simulator
