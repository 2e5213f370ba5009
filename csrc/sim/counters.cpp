#include "sim/counters.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "sim/block.h"
#include "sim/shadow.h"
#include "sim/symbols.h"

namespace weft::simulator {
namespace {

constexpr size_t kSector = 32, kBankBytes = 4, kBanks = 32;

uint32_t lanes_of_warp(int warp, int threads) {
  const int lanes = threads - warp * kWarpLanes;
  return lanes >= kWarpLanes ? 0xffffffffu : (1u << lanes) - 1u;
}

void count_sectors(CounterRow& totals, std::vector<uintptr_t>& addresses) {
  const auto bytes = static_cast<size_t>(totals.bytes);
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  uintptr_t next = 0;
  uint64_t sectors = 0;
  for (const uintptr_t address : addresses) {
    const uintptr_t last = (address + bytes - 1) / kSector;
    for (uintptr_t s = std::max(address / kSector, next); s <= last; s++) sectors++;
    next = std::max(next, last + 1);
  }
  const uint64_t ideal = (addresses.size() * bytes + kSector - 1) / kSector;
  totals.sectors += sectors;
  totals.ideal_sectors += std::min(ideal, sectors);
}

// The hardware serves 128 bytes at a time: 32, 16 or 8 lanes, by the size of their accesses.
void count_ways(CounterRow& totals, const uintptr_t* addresses, uint32_t lanes) {
  const auto bytes = static_cast<size_t>(totals.bytes);
  const int together = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
  for (int begin = 0; begin < kWarpLanes; begin += together) {
    std::vector<uintptr_t> words[kBanks];
    size_t most = 0;
    for (int lane = begin; lane < begin + together; lane++) {
      if ((lanes >> lane & 1) == 0) continue;
      const uintptr_t last = (addresses[lane] + bytes - 1) / kBankBytes;
      for (uintptr_t word = addresses[lane] / kBankBytes; word <= last; word++) {
        std::vector<uintptr_t>& bank = words[word % kBanks];
        if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
        most = std::max(most, bank.size());
      }
    }
    totals.phases += most > 0;
    totals.ways += most;
  }
}

}  // namespace

size_t Counters::KeyHash::operator()(const Key& key) const {
  const auto pc = reinterpret_cast<uintptr_t>(key.pc) * 4 + key.shared * 2u + key.write;
  return pc * 0x9e3779b97f4a7c15u ^ reinterpret_cast<uintptr_t>(key.kernel);
}

void Counters::launch_begin(const LaunchInfo& info) {
  mutex_.lock();
  launch_ = info;
  const SharedRegion shared = shared_region();
  shared_begin_ = shared.begin;
  shared_bytes_ = shared.bytes;
}
void Counters::launch_end(const LaunchInfo&) { mutex_.unlock(); }

void Counters::block_begin(const LaunchInfo& info, uint3) {
  threads_ = static_cast<int>(info.block.x * info.block.y * info.block.z);
}

Counters::Site& Counters::site(const void* pc, bool shared, bool write) {
  Site& site = sites_[{launch_.function, pc, shared, write}];
  if (site.executions.empty()) {
    site.executions.assign(static_cast<size_t>(threads_), 0);
    site.warps.resize(static_cast<size_t>((threads_ + kWarpLanes - 1) / kWarpLanes));
  }
  return site;
}

void Counters::close(CounterRow& totals, const Request& request, uint32_t alive) {
  totals.requests++;
  totals.lanes += static_cast<uint64_t>(__builtin_popcount(request.lanes));
  totals.partial += (alive & ~request.lanes) != 0;
  if (totals.memory == "shared") return count_ways(totals, request.addresses, request.lanes);
  std::vector<uintptr_t> addresses;
  for (uint32_t rest = request.lanes; rest != 0; rest &= rest - 1)
    addresses.push_back(request.addresses[__builtin_ctz(rest)]);
  count_sectors(totals, addresses);
}

void Counters::count(uintptr_t address, size_t bytes, const char* operation, bool write,
                     const void* pc) {
  const bool shared = address - shared_begin_ < shared_bytes_;
  Site& site = this->site(pc, shared, write);
  CounterRow& totals = site.totals;
  if (totals.operation.empty()) {
    totals.operation = operation;
    totals.memory = shared ? "shared" : "global";
    totals.bytes = static_cast<int>(bytes);
  }
  Warp& warp = site.warps[static_cast<size_t>(current->warp)];
  const size_t execution = site.executions[static_cast<size_t>(current->linear)]++;
  const size_t index = execution - warp.closed;
  if (warp.open.size() <= index) warp.open.resize(index + 1);
  Request& request = warp.open[index];
  request.lanes |= 1u << current->lane;
  request.addresses[current->lane] = address;
  const uint32_t all = lanes_of_warp(current->warp, threads_);
  if (warp.open.front().lanes != all) return;
  close(totals, warp.open.front(), all);
  warp.open.erase(warp.open.begin());
  warp.closed++;
}

// What is still open lacks lanes.
void Counters::block_end() {
  for (auto& [key, site] : sites_) {
    for (size_t w = 0; w < site.warps.size(); w++)
      for (const Request& request : site.warps[w].open)
        close(site.totals, request, lanes_of_warp(static_cast<int>(w), threads_));
    site.executions.clear();
    site.warps.clear();
  }
}

void Counters::access(const Access& access) {
  // The products' operands are read in an order of the hardware's own.
  if (access.by_warpgroup || access.kind == AccessKind::atomic_load) return;
  const auto address = reinterpret_cast<uintptr_t>(access.address);
  const auto stack = reinterpret_cast<uintptr_t>(Block::self().fiber.stack);
  const auto parameters = reinterpret_cast<uintptr_t>(launch_.parameters);
  if (address - stack < kStackBytes || address - parameters < launch_.parameter_bytes) return;
  const bool shared = address - shared_begin_ < shared_bytes_;
  if (!shared && Image::of_this_library().contains(address)) return;
  const bool write = writes(access.kind);
  const char* operation = access.kind == AccessKind::atomic ? "atomic" : write ? "store" : "load";
  count(address, access.bytes, operation, write, access.pc);
}

// cp.async moves up to 16 bytes per lane; tiles and runs of TMA are no accesses of lanes.
void Counters::async_issue(const AsyncAccess& access) {
  if (access.bytes > 0 && access.bytes <= 16)
    count(reinterpret_cast<uintptr_t>(access.address), access.bytes,
          access.write ? "store" : "load", access.write, access.pc);
}

void Counters::count_barrier(const void* pc, int threads) {
  CounterRow& totals = site(pc, false, false).totals;
  totals.operation = "barrier";
  totals.requests++;
  totals.lanes += static_cast<uint64_t>(threads);
}

void Counters::block_barrier() { count_barrier(Block::self().wait_pc, Block::running().alive()); }

void Counters::named_barrier(int, const int*, int arrived_count, const int* waited,
                             int waited_count) {
  if (waited_count > 0) count_barrier(Block::running().thread(waited[0]).wait_pc, arrived_count);
}

std::vector<CounterRow> Counters::take_rows() {
  std::lock_guard lock(mutex_);
  // Unrolled copies of one line count together.
  std::map<std::tuple<std::string, std::string, std::string, std::string, int>, CounterRow> lines;
  for (const auto& [key, site] : sites_) {
    const CounterRow& from = site.totals;
    CounterRow row = from;
    row.kernel = kernel_name(key.kernel);
    row.line = describe_address(key.pc);
    CounterRow& to = lines[{row.kernel, row.line, row.memory, row.operation, row.bytes}];
    for (const auto member :
         {&CounterRow::requests, &CounterRow::lanes, &CounterRow::partial, &CounterRow::sectors,
          &CounterRow::ideal_sectors, &CounterRow::phases, &CounterRow::ways})
      row.*member += to.*member;
    to = std::move(row);
  }
  std::vector<CounterRow> rows;
  for (auto& [key, row] : lines) rows.push_back(std::move(row));
  sites_.clear();
  return rows;
}

}  // namespace weft::simulator
