#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/encoding.hpp"
#include "core/history.hpp"
#include "model/gp.hpp"
#include "propose/places.hpp"

namespace krigon {

/// What a model is told of a study.
///
/// A completed trial is an observation of its final value, turned so that smaller is better. A stopped
/// trial is one of values that it reported, at their steps, never as if it had finished: while there are
/// such trials, every row gets one more column, ln(step) / ln(last step), with a lengthscale of its own,
/// in which completed trials stand at 1 and predictions are made. (The last step is the study's
/// max_steps, or the highest step reported where that is not known.)
///
/// What a stopped trial says of the last step is for the others to tell: every trial is observed at
/// each step at which some trial was stopped and that it reported itself, so that the model sees the
/// same points at both ends; and at such a step the median gain of the trials that went on from there
/// to the end is added to every value. Without this the model takes the steps' common rise for a
/// difference between points, learns next to nothing from stopped trials and proposes their
/// neighbourhood again and again.
///
/// Of those steps the lowest is taken, and after it each that is at least twice the one before: a rule
/// that stops anywhere would have a trial observed dozens of times, which cost the model time and are no
/// independent observations. A trial stopped between two of them stands at the lower one; one that
/// reported at none of them, at its last report.
///
/// A failed trial is no observation: it stands in `failed`.
struct Training {
  GpData data;                       ///< the observations, in the order in which the trials ended
  std::vector<Point> points;         ///< their canonical points
  std::vector<std::int64_t> trials;  ///< their numbers
  std::size_t told = 0;              ///< trials that ended with a value or reported one
  std::size_t observations = 0;      ///< of these trials, before the cap
  bool step_column = false;
  std::vector<Point> failed;
  std::vector<Point> pending;
};

/// Above `most` observations a subset of that size is taken: the best half, the most recent quarter,
/// and the rest picked at random by (seed, number of observations rounded down to a hundred).
Training make_training(const Encoding& encoding, const History& history, std::size_t most,
                       std::uint64_t seed);

/// A point's row at the last step: Encoding::expand, and 1 in the step column where there is one.
std::size_t row_width(const Encoding& encoding, bool step_column);
void fill_row(const Encoding& encoding, bool step_column, std::span<const double> point,
              std::span<double> row);
std::vector<double> rows_of(const Encoding& encoding, bool step_column, std::span<const Point> points);

}  // namespace krigon
