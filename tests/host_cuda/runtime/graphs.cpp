#include "tests/host_cuda/runtime/graphs.hpp"

#include <algorithm>

namespace krigon::host_cuda {

std::vector<std::shared_ptr<Capture>>& captures() {
  static auto* in_progress = new std::vector<std::shared_ptr<Capture>>;  // outlives every static
  return *in_progress;
}

std::vector<Operation> GraphPlan::linearised(std::mt19937_64& random) const {
  std::vector<std::size_t> missing(nodes.size());  // how many that come before are not in the order yet
  std::vector<std::vector<std::size_t>> followers(nodes.size());
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    missing[i] = nodes[i].after.size();
    for (const std::size_t before : nodes[i].after) followers[before].push_back(i);
    if (missing[i] == 0) ready.push_back(i);
  }
  std::vector<Operation> order;
  order.reserve(nodes.size());
  while (!ready.empty()) {
    std::swap(ready[random() % ready.size()], ready.back());
    const std::size_t next = ready.back();
    ready.pop_back();
    order.push_back(nodes[next].operation);
    for (const std::size_t follower : followers[next]) {
      if (--missing[follower] == 0) ready.push_back(follower);
    }
  }
  return order;
}

bool Capture::joined(const std::vector<std::size_t>& last) const {
  std::vector<bool> before(plan.nodes.size(), false);
  for (const std::size_t node : last) before[node] = true;
  // A node comes after earlier ones only.
  for (std::size_t i = plan.nodes.size(); i-- > 0;) {
    if (!before[i]) return false;
    for (const std::size_t earlier : plan.nodes[i].after) before[earlier] = true;
  }
  return true;
}

}  // namespace krigon::host_cuda
