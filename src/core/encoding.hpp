#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "krigon/space.hpp"

namespace krigon {

/// How a coordinate of the unit cube may move.
enum class Axis {
  continuous,   ///< any place in [0, 1]
  ordered,      ///< the centres of its levels; neighbours are alike
  categorical,  ///< the centres of its levels; the order means nothing
};

/// One parameter that can vary, as a coordinate.
struct Coordinate {
  std::size_t parameter = 0;  ///< index into Space::parameters()
  Axis axis = Axis::continuous;
  std::int64_t levels = 0;  ///< values that it can take, at least 2; 0 for Axis::continuous
};

/// A search space as a unit cube, for samplers and models.
///
/// One coordinate per parameter that can take more than one value, in the order of the space. A real
/// parameter without a step moves freely, linearly or in its logarithm. Every other one has levels:
/// the cube's edge is cut into as many cells (of equal width; on a log scale integer v has the cell
/// from ln(v - 1/2) to ln(v + 1/2)) and only the cell's centre ever reaches a model, so that points
/// which are the same to the user are the same to the model.
///
/// The coordinate of an inactive parameter is put at kImputed, whatever it was: two points that
/// differ only in what is inactive are one. The parents' own coordinates tell the branches apart.
///
/// A free coordinate is rounded to multiples of 2^-32, so that a point survives decode and encode
/// exactly and can be looked up: a canonical point is what encode() and canonicalise() return.
/// (Where the range is so narrow that doubles are sparser than that, it moves by their spacing.)
///
/// Immutable. Safe to read from several threads.
class Encoding {
 public:
  /// Where the coordinate of an inactive parameter stands.
  static constexpr double kImputed = 0.5;

  explicit Encoding(Space space);

  const Space& space() const { return space_; }
  std::size_t dims() const { return coordinates_.size(); }
  std::span<const Coordinate> coordinates() const { return coordinates_; }

  /// The canonical point, dims() numbers in [0, 1]. nullopt when `point` is no point of this space (a
  /// trial of an older revision of the study, say); constraints are not looked at.
  std::optional<std::vector<double>> encode(const Parameters& point) const;
  /// The parameters at `u` (dims() numbers; what lies outside [0, 1] is taken to the edge): complete,
  /// inactive ones absent, every value within its domain, the ends exact. Constraints may be broken.
  Parameters decode(std::span<const double> u) const;
  /// Turns u into encode(decode(u)), bit for bit, without making the parameters.
  void canonicalise(std::span<double> u) const;
  /// Which coordinates are active at `u`: dims() flags.
  std::vector<bool> active(std::span<const double> u) const;
  /// Whether the constraints hold at decode(u).
  bool feasible(std::span<const double> u) const;

  /// Coordinate i's level at place u, in [0, levels). Precondition: it has levels.
  std::int64_t level(std::size_t i, double u) const;
  /// The centre of a level's cell; level(i, place(i, k)) == k for up to 2^50 levels (2^40 on a log
  /// scale), beyond which only so many of them are ever reached.
  double place(std::size_t i, std::int64_t level) const;

  // The same point as a model's row. A coordinate gives one column, a categorical one as many as it
  // has levels: 1/sqrt(2) in its level's column and 0 elsewhere, so that two different values are at
  // squared distance 1; all 0 while it is inactive.

  std::size_t columns() const { return column_coordinate_.size(); }
  /// The coordinate that each column belongs to: columns of one coordinate share a lengthscale.
  std::span<const std::size_t> column_coordinate() const { return column_coordinate_; }
  /// The row of a canonical point: columns() numbers.
  void expand(std::span<const double> u, std::span<double> row) const;
  /// The gradient over a row turned into one over coordinates; 0 where a coordinate is categorical.
  void pull_back(std::span<const double> row_gradient, std::span<double> gradient) const;

 private:
  /// A condition, in terms of coordinates.
  struct Test {
    std::size_t parent = 0;            ///< index into nodes_
    std::vector<std::int64_t> levels;  ///< of the parent's coordinate, where it has levels
    std::vector<double> places;        ///< of the parent's values, where it is continuous
    bool always = false;               ///< a parent that cannot vary: whether its one value fits
  };
  /// A parameter, parents first.
  struct Node {
    std::size_t parameter = 0;
    std::optional<std::size_t> coordinate;  ///< none: it cannot vary
    std::vector<Test> tests;
  };
  /// What turns a coordinate into a value.
  struct Ruler {
    bool log = false;
    double low = 0, high = 1;  ///< ends, or their logarithms (integers: half a unit further out)
    std::int64_t width = 1;    ///< levels a cell: above 1 only where a double cannot hold them all
    std::int64_t cells = 1;
    std::vector<std::pair<double, double>> exact;  ///< (place, value) that conditions ask for
  };

  double real_at(std::size_t i, double u) const;
  double place_of_real(std::size_t i, double value) const;
  Value value_at(std::size_t i, double u) const;
  std::optional<double> place_of(std::size_t i, const Value& value) const;
  bool node_active(const Node& node, std::span<const double> u, const std::vector<bool>& node_flags) const;
  std::vector<bool> nodes_active(std::span<const double> u) const;
  Test make_test(const Condition& condition, std::span<const std::optional<std::size_t>> node_of);

  Space space_;
  std::vector<Coordinate> coordinates_;
  std::vector<Ruler> rulers_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> column_coordinate_;
  std::vector<std::size_t> first_column_;
  bool conditional_ = false;
};

}  // namespace krigon
