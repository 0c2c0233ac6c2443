#include "propose/gp_sampler.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "kernels/acquisition/log_ei.hpp"
#include "kernels/acquisition/log_probability_below.hpp"
#include "krigon/error.hpp"
#include "propose/sobol_sampler.hpp"
#include "propose/surrogate.hpp"
#include "propose/training.hpp"

namespace krigon {
namespace {

/// A space of at most so many points is searched exhaustively.
constexpr std::size_t kMostExhaustive = 4096;
/// Observations whose posterior means are looked at for the best: the best by value.
constexpr std::size_t kBestLooked = 64;
/// Incumbents that candidates are made from.
constexpr std::size_t kIncumbents = 5;
constexpr std::int64_t kLeastObservations = 2;
/// A place where a trial is likelier to fail than not is left alone while there are others.
constexpr double kLeastChance = 0.5;
/// Failures have a fit of their own: its random numbers must not be those of the objective's.
constexpr std::uint64_t kFailureStream = std::uint64_t{1} << 63;

// The newest earlier proposal of a model that this one can go on from.
const nlohmann::json* newest_model(const History& history, std::int64_t number, bool step_column) {
  const auto trials = history.trials();
  const auto before = std::min(number - history.first(), static_cast<std::int64_t>(trials.size()));
  for (auto i = before - 1; i >= 0; --i) {
    const auto& model = trials[static_cast<std::size_t>(i)].proposal.model;
    if (!model.is_object() || !model.contains("hyperparameters")) continue;
    return model.value("step_column", false) == step_column ? &model : nullptr;
  }
  return nullptr;
}

std::optional<Stored> stored_in(const nlohmann::json* model, const char* key, const char* fitted_key,
                                std::size_t groups) {
  if (model == nullptr || !model->contains(key)) return std::nullopt;
  auto hyperparameters = hyperparameters_from_json((*model)[key], groups);
  const auto fitted = model->find(fitted_key);
  if (!hyperparameters || fitted == model->end() || !fitted->is_number_integer()) return std::nullopt;
  return Stored{std::move(*hyperparameters), fitted->get<std::int64_t>()};
}

// 0 for every trial that ended with a value, 1 for every failed one.
GpData failure_data(const Encoding& encoding, const Training& training) {
  GpData data;
  data.groups = training.data.groups;
  data.columns = rows_of(encoding, training.step_column, training.points);
  const auto failed = rows_of(encoding, training.step_column, training.failed);
  data.columns.insert(data.columns.end(), failed.begin(), failed.end());
  data.y.assign(training.points.size(), 0.0);
  data.y.resize(training.points.size() + training.failed.size(), 1.0);
  data.n = data.y.size();
  return data;
}

class GpSampler final : public Sampler {
 public:
  GpSampler(const Space& space, std::uint64_t seed, std::shared_ptr<Backend> backend,
            const GpSamplerOptions& options)
      : encoding_(space),
        seed_(seed),
        backend_(std::move(backend)),
        options_(options),
        initial_(options.initial.value_or(default_initial(encoding_.dims()))),
        first_phase_(space, seed),
        listed_(options.among.empty() ? list_points(encoding_, kMostExhaustive) : options.among) {}

  std::string_view name() const override { return "gp"; }

  Suggestion propose(const History& history, std::int64_t number) override {
    const StudyHead& head = history.head();
    if (head.next_trial - head.cancelled < initial_ || encoding_.dims() == 0)
      return without_model(history, number);
    const Training training = make_training(encoding_, history, options_.most, seed_);
    if (training.told < kLeastObservations) return without_model(history, number);
    return propose_by_model(history, number, training);
  }

  std::string describe(const Space&) const override {
    return fmt::format(
        "gp: {} {} points first, then the largest expected improvement of a Gaussian process "
        "over {} coordinates{}.",
        initial_, options_.among.empty() ? "scrambled Sobol'" : "random", encoding_.dims(),
        listed_ ? fmt::format(", searched among all {} points", listed_->size()) : std::string());
  }

 private:
  /// What without_model() proposes, in a word.
  const char* plain() const { return options_.among.empty() ? "Sobol'" : "random"; }

  // What is proposed where there is no model, or where it knows no place.
  Suggestion without_model(const History& history, std::int64_t number) {
    if (options_.among.empty()) return first_phase_.propose(history, number);
    Random random(seed_, static_cast<std::uint64_t>(number), Purpose::random_sampler);
    const auto draw = [&](std::uint32_t, std::span<double> u) {
      const Point& point = options_.among[random.below(options_.among.size())];
      std::copy(point.begin(), point.end(), u.begin());
    };
    const auto [point, repeated] = first_free(encoding_, Taken(encoding_, history), draw, &*listed_, random);
    Suggestion suggestion;
    suggestion.parameters = encoding_.decode(point);
    suggestion.proposal.sampler = "random";
    if (repeated) suggestion.proposal.note = kRepeatedNote;
    return suggestion;
  }

  Suggestion propose_by_model(const History& history, std::int64_t number, const Training& training) {
    AskTimings timings;
    timings.observations = training.data.n;
    const auto start = std::chrono::steady_clock::now();
    const auto stream = static_cast<std::uint64_t>(number);
    const nlohmann::json* earlier = newest_model(history, number, training.step_column);
    const std::size_t groups = training.data.group_count();
    const auto told = static_cast<std::int64_t>(training.told);
    auto surrogate = make_surrogate(*backend_, training.data, told,
                                    stored_in(earlier, "hyperparameters", "fitted_at", groups),
                                    objective_belief(groups), seed_, stream, options_.exact);
    if (!surrogate) {
      auto suggestion = without_model(history, number);
      suggestion.proposal.note = fmt::format("the model could not be fitted: a {} point instead", plain());
      return suggestion;
    }
    std::string note = surrogate->note;
    if (training.observations > training.data.n) {
      note += fmt::format("{}the model was told of {} of {} observations", note.empty() ? "" : "; ",
                          training.data.n, training.observations);
    }
    MarginalPosterior& posterior = *surrogate->posterior;
    nlohmann::json model{{"hyperparameters", to_json(posterior.hyperparameters())},
                         {"step_column", training.step_column},
                         {"fitted_at", surrogate->fitted_at}};
    if (training.data.n > options_.exact) model["approximation"] = "vecchia";

    std::vector<Point> incumbents;
    const double best = best_mean(posterior, training, incumbents);
    if (!training.pending.empty()) {
      posterior.condition_on(rows_of(encoding_, training.step_column, training.pending));
    }
    std::vector<Acquisition::Part> parts{{&posterior, log_ei(best)}};
    std::optional<Surrogate> failure;
    if (!training.failed.empty()) {
      failure = failure_surrogate(training, earlier, stream);
      if (failure) {
        const auto& h = failure->posterior->hyperparameters();
        parts.push_back({failure->posterior.get(),
                         log_probability_below(failure->posterior->transform().forward(0.5),
                                               std::exp(h.log_noise_variance)),
                         std::log(kLeastChance)});
        model["failure"] = to_json(h);
        model["failure_fitted_at"] = failure->fitted_at;
      } else {
        note += std::string(note.empty() ? "" : "; ") + "failed trials could not be modelled";
      }
    }
    timings.refitted = surrogate->refitted;
    timings.fit = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

    Acquisition acquisition(std::move(parts));
    const Taken taken(encoding_, history);
    const Crowd crowd(encoding_, posterior.hyperparameters().log_lengthscale, training.pending);
    const auto maximum = maximise({acquisition, encoding_, training.step_column, taken, &crowd, incumbents,
                                   listed_ ? &*listed_ : nullptr, seed_, stream},
                                  options_.maximise, &timings);
    if (options_.timings != nullptr) *options_.timings = timings;
    if (!maximum || (maximum->repeated && !listed_)) {
      // Nothing free among the candidates of a space too large to list, or no finite value anywhere.
      auto suggestion = without_model(history, number);
      suggestion.proposal.note += fmt::format("{}the acquisition found no free point: a {} point instead",
                                              suggestion.proposal.note.empty() ? "" : "; ", plain());
      return suggestion;
    }
    if (maximum->repeated) note += std::string(note.empty() ? "" : "; ") + kRepeatedNote;
    model["value"] = maximum->value;
    Suggestion suggestion;
    suggestion.parameters = encoding_.decode(maximum->point);
    suggestion.proposal.sampler = name();
    suggestion.proposal.model = std::move(model);
    suggestion.proposal.note = std::move(note);
    return suggestion;
  }

  // The lowest posterior mean at the last step over the best observed points and the pending ones; the
  // best points, for candidates to be made from.
  double best_mean(MarginalPosterior& posterior, const Training& training,
                   std::vector<Point>& incumbents) const {
    std::vector<std::size_t> order(training.data.n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto target = posterior.targets();
    const std::size_t looked = std::min(kBestLooked, order.size());
    std::partial_sort(
        order.begin(), order.begin() + static_cast<std::ptrdiff_t>(looked), order.end(),
        [&](std::size_t a, std::size_t b) { return std::pair(target[a], a) < std::pair(target[b], b); });
    std::vector<Point> points;
    for (std::size_t i = 0; i < looked; ++i) points.push_back(training.points[order[i]]);
    points.insert(points.end(), training.pending.begin(), training.pending.end());
    std::vector<double> mean(points.size()), variance(points.size());
    posterior.evaluate(rows_of(encoding_, training.step_column, points), mean, variance);

    std::vector<std::size_t> by_mean(points.size());
    std::iota(by_mean.begin(), by_mean.end(), std::size_t{0});
    std::stable_sort(by_mean.begin(), by_mean.end(),
                     [&](std::size_t a, std::size_t b) { return mean[a] < mean[b]; });
    for (const std::size_t i : by_mean) {
      if (incumbents.size() == kIncumbents) break;
      if (std::find(incumbents.begin(), incumbents.end(), points[i]) == incumbents.end()) {
        incumbents.push_back(points[i]);
      }
    }
    return mean[by_mean.front()];
  }

  std::optional<Surrogate> failure_surrogate(const Training& training, const nlohmann::json* earlier,
                                             std::uint64_t stream) {
    const GpData data = failure_data(encoding_, training);
    return make_surrogate(*backend_, data, static_cast<std::int64_t>(training.told + training.failed.size()),
                          stored_in(earlier, "failure", "failure_fitted_at", data.group_count()),
                          failure_belief(data.group_count()), seed_, stream | kFailureStream, options_.exact);
  }

  Encoding encoding_;
  std::uint64_t seed_;
  std::shared_ptr<Backend> backend_;
  GpSamplerOptions options_;
  std::int64_t initial_;
  SobolSampler first_phase_;
  std::optional<std::vector<Point>> listed_;
};

}  // namespace

std::int64_t default_initial(std::size_t dims) {
  return std::clamp<std::int64_t>(2 * static_cast<std::int64_t>(dims), 5, 20);
}

std::unique_ptr<Sampler> make_gp_sampler(const Space& space, std::uint64_t seed,
                                         std::shared_ptr<Backend> backend, const GpSamplerOptions& options) {
  if (!backend) throw UsageError("sampler \"gp\": it needs a backend to compute on, and none was given");
  return std::make_unique<GpSampler>(space, seed, std::move(backend), options);
}

}  // namespace krigon
