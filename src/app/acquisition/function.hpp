#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "app/acquisition/box.hpp"
#include "app/gaussian_process.hpp"
#include "krigon/acquisition.hpp"

namespace krigon {

namespace detail {
class Pool;
}

using Processes = std::span<ProcessAccess::Impl* const>;

/// What the makers below are given: processes (1 at least, none twice), options, and what messages are to
/// begin with. Processes and the latter outlive what is made.
struct AcquisitionRequest {
  Processes processes;
  const AcquisitionOptions& options;
  const char* what;

  ProcessAccess::Impl& process() const { return *processes.front(); }
  /// As if the objective were minimised: the factor of means.
  double sign() const { return options.direction == Direction::minimize ? 1.0 : -1.0; }
};

/// An acquisition as a function of groups of q points in the user's columns. Prepared once, evaluated
/// often; not thread-safe.
class AcquisitionFunction {
 public:
  virtual ~AcquisitionFunction() = default;
  /// x: m q x d, value: m, gradient: m q x d or empty; shapes are right. Many groups go in portions.
  void evaluate(std::span<const double> x, std::span<double> value, std::span<double> gradient);
  /// Groups are of q points from here on, 1 to options.q.
  virtual void regroup(std::size_t q) = 0;
  virtual AcquisitionMaximum maximise(const SearchBox& box, const AcquisitionOptions& options);

 private:
  /// Doubles that one group takes while it is evaluated.
  virtual std::size_t group_size() const = 0;
  virtual void evaluate_portion(std::span<const double> x, std::span<double> value,
                                std::span<double> gradient) = 0;
};

/// Of one point's or q points' joint moments, by the table of acquisitions.
std::unique_ptr<AcquisitionFunction> make_joint_function(const AcquisitionRequest& request);
std::unique_ptr<AcquisitionFunction> make_noisy_function(const AcquisitionRequest& request);
std::unique_ptr<AcquisitionFunction> make_knowledge_function(const AcquisitionRequest& request);
std::unique_ptr<AcquisitionFunction> make_path_function(const AcquisitionRequest& request);
std::unique_ptr<AcquisitionFunction> make_hypervolume_function(const AcquisitionRequest& request);

/// The first `width` of every row's columns.
std::vector<double> first_columns(std::span<const double> rows, std::size_t columns, std::size_t width);

/// count x width standard normals, quasi-random; `stream` sets sequences of one seed apart.
std::vector<double> normal_points(std::size_t count, std::size_t width, std::uint64_t seed,
                                  std::uint64_t stream);

/// The process's whole noise variance at each observed point, in model units, > 0.
std::vector<double> observation_noise(const ProcessAccess::Impl& process);

/// Up to `most` observed points, those of the smallest sign * posterior mean first, equal points once.
std::vector<std::size_t> best_observed(ProcessAccess::Impl& process, double sign, std::size_t most);

/// The rows of some of the observed points.
std::vector<double> rows_of(const ProcessAccess::Impl& process, std::span<const std::size_t> points);

/// Calls body(group, scratch) for every group, on several threads where that pays. Members of different
/// groups must not influence each other.
class GroupLoop {
 public:
  explicit GroupLoop(const Backend& backend);
  ~GroupLoop();
  using Body = std::function<void(std::size_t group, std::vector<double>& scratch)>;
  /// `cost`: of one group, in multiplications or so.
  void run(std::size_t groups, double cost, const Body& body);

 private:
  int threads_;
  std::unique_ptr<detail::Pool> pool_;
  std::vector<std::vector<double>> scratch_;
};

}  // namespace krigon
