// Tunes a kernel smoother inside one C++ program: no study file, no child process. The two
// parameters are judged by leave-one-out error; the objective is a lambda, called from four threads.
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <random>
#include <vector>

#include <krigon/krigon.hpp>

int main(int argc, char** argv) {
  const std::int64_t trials = argc > 1 ? std::atoll(argv[1]) : 40;

  std::mt19937 generator(1);
  std::normal_distribution<double> noise(0.0, 0.2);
  std::vector<double> x(300), y(300);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<double>(i) / static_cast<double>(x.size());
    y[i] = std::sin(12.0 * x[i] * x[i]) + noise(generator);
  }

  const krigon::Space space({{"bandwidth", krigon::RealDomain{1e-3, 1.0, krigon::Scale::log}},
                             {"power", krigon::RealDomain{0.5, 4.0}}});
  krigon::Study study(space, {.name = "smoother", .seed = 1});
  study.optimize(
      [&](krigon::Trial& trial) {
        const double bandwidth = trial.real("bandwidth"), power = trial.real("power");
        double error = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
          double sum = 0, weights = 1e-12;
          for (std::size_t j = 0; j < x.size(); ++j) {
            if (i == j) continue;
            const double weight = std::exp(-std::pow(std::abs(x[i] - x[j]) / bandwidth, power));
            sum += weight * y[j];
            weights += weight;
          }
          error += std::pow(sum / weights - y[i], 2) / static_cast<double>(x.size());
        }
        return error;
      },
      {.trials = trials, .parallel = 4});

  const auto best = study.best();
  std::cout << "best of " << study.trials().size() << " trials: error " << best->metrics.at("value");
  for (const auto& [name, value] : best->parameters)
    std::cout << ", " << name << ' ' << krigon::to_string(value);
  std::cout << '\n';
}
