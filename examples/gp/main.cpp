// The engine without a study: fit a Gaussian process, ask where to look next, and look there.
#include <cmath>
#include <cstdio>
#include <vector>

#include <krigon/acquisition.hpp>

double measure(double x, double y) {
  return (x - 0.3) * (x - 0.3) + 2 * (y - 0.7) * (y - 0.7) + 0.1 * std::sin(9 * x);
}

int main() {
  std::vector<double> x = {0.1, 0.1, 0.9, 0.2, 0.5, 0.5, 0.2, 0.9, 0.8, 0.8},
                      y;  // five points of two columns
  for (std::size_t i = 0; i < x.size(); i += 2) y.push_back(measure(x[i], x[i + 1]));
  krigon::AcquisitionMaximum next;
  for (int step = 0; step < 15; ++step) {
    auto process = krigon::GaussianProcess::fit(x, 2, y, {.lower = {0, 0}, .upper = {1, 1}});
    next = krigon::maximize_acquisition(process, {.name = "log-ei"});
    x.insert(x.end(), next.x.begin(), next.x.end());
    y.push_back(measure(next.x[0], next.x[1]));
  }
  std::printf("last looked at %.2f, %.2f, where it is %.3f\n", next.x[0], next.x[1], y.back());
}
