#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace krigon::detail {

/// The candidate that `word` most likely means, or empty where none is near: Damerau-Levenshtein
/// distance (optimal string alignment) of at most a third of its length, blind to case and to '-'
/// against '_'; the first of equals.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "; did you mean 'x'?", or empty where no candidate is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

/// "a, b, c"; at most `limit` of them, then "...".
std::string listed(const std::vector<std::string>& words, std::size_t limit = 20);

/// The text in double quotes, on one line and cut where it is long, as an error message shows it.
std::string in_quotes(std::string_view text);

/// A key as it stands in a path: itself where it is a plain short word, otherwise quoted.
std::string key_text(std::string_view key);

}  // namespace krigon::detail
