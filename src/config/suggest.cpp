#include "config/suggest.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace krigon::detail {
namespace {

constexpr std::size_t kLongestWord = 64;   // beyond, the table of distances is no help to anyone
constexpr std::size_t kLongestShown = 60;  // bytes of a found text in a message

std::string folded(std::string_view word) {
  std::string result(word);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return result;
}

std::size_t distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> table((a.size() + 1) * width);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& { return table[i * width + j]; };
  for (std::size_t i = 0; i <= a.size(); ++i) at(i, 0) = i;
  for (std::size_t j = 0; j <= b.size(); ++j) at(0, j) = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
      }
    }
  }
  return at(a.size(), b.size());
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > kLongestWord) return {};
  const std::string wanted = folded(word);
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    if (candidate.size() > kLongestWord) continue;
    const std::size_t d = distance(wanted, folded(candidate));
    // A word of which nothing is left is no help: "a" is not meant by "b".
    if (d < best_distance && d < candidate.size()) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string candidate = nearest(word, candidates);
  return candidate.empty() ? std::string{} : fmt::format("; did you mean '{}'?", candidate);
}

std::string listed(const std::vector<std::string>& words, std::size_t limit) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i == limit) return result + ", ...";
    result += (i == 0 ? "" : ", ") + words[i];
  }
  return result;
}

std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  std::size_t i = 0;
  for (; i < text.size() && i < kLongestShown; ++i) {
    const char c = text[i];
    if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      result += c;
    }
  }
  // The rest of a character that the cut went through.
  while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) result += text[i++];
  return result + (i < text.size() ? "...\"" : "\"");
}

std::string key_text(std::string_view key) {
  const bool plain =
      !key.empty() && key.size() <= kLongestShown && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
               c == '-' || c == '.';
      });
  return plain ? std::string(key) : in_quotes(key);
}

}  // namespace krigon::detail
