#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "config/document.hpp"
#include "config/suggest.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

int line_of(const YAML::Mark& mark) {
  return mark.is_null() ? 1 : mark.line + 1;
}

/// From yaml-cpp's events straight to our tree: its own Node graph is not needed, and costs much more.
class Events : public YAML::EventHandler {
 public:
  explicit Events(TreeBuilder& builder) : builder_(builder) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) builder_.fail(line_of(mark), "a second document (---); a file holds one study");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    builder_.anchor_next(anchor);
    builder_.null(line_of(mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    builder_.alias(line_of(mark), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // "!" is yaml-cpp's tag for what stands in quotes or is a block of text, "?" for the rest.
    bool text = tag == "!";
    if (tag == "tag:yaml.org,2002:str") {
      text = true;
    } else if (!text && tag != "?" && !tag.empty() && tag != "tag:yaml.org,2002:int" &&
               tag != "tag:yaml.org,2002:float" && tag != "tag:yaml.org,2002:bool") {
      refuse_tag(mark, tag);
    }
    builder_.anchor_next(anchor);
    builder_.scalar(line_of(mark), value, text);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    if (tag != "?" && !tag.empty() && tag != "!" && tag != "tag:yaml.org,2002:seq") refuse_tag(mark, tag);
    builder_.anchor_next(anchor);
    builder_.begin_list(line_of(mark));
  }
  void OnSequenceEnd() override { builder_.end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    if (tag != "?" && !tag.empty() && tag != "!" && tag != "tag:yaml.org,2002:map") refuse_tag(mark, tag);
    builder_.anchor_next(anchor);
    builder_.begin_map(line_of(mark));
  }
  void OnMapEnd() override { builder_.end(); }

 private:
  [[noreturn]] void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    builder_.fail(line_of(mark), fmt::format("the tag {} means nothing here; leave it out", in_quotes(tag)));
  }

  TreeBuilder& builder_;
  int documents_ = 0;
};

/// yaml-cpp's words for the commonest mistakes, in the user's terms.
std::string explained(const std::string& message) {
  if (message == "illegal map value")
    return "a ':' where none can stand (is the line above complete? text with ': ' needs quotes)";
  if (message == "end of map not found") return "the indentation does not fit the lines above";
  if (message == "end of sequence not found") return "the indentation does not fit the list above";
  if (message == "end of map flow not found") return "a '}' or a ',' is missing";
  if (message == "end of sequence flow not found") return "a ']' or a ',' is missing";
  if (message == "illegal flow end") return "a '}' or ']' that closes nothing";
  if (message == "illegal tab when looking for indentation")
    return "a tab in the indentation; YAML wants spaces";
  if (message == "illegal EOF in scalar") return "a quote that is not closed";
  if (message == "the referenced anchor is not defined")
    return "an alias (*name) of nothing; text that starts with * needs quotes";
  if (message == "unknown token")
    return "a character that cannot start a value; text with special characters needs quotes";
  return message;
}

}  // namespace

Node read_yaml(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  TreeBuilder builder(file, diagnostics);
  builder.allow_merge_keys();
  Events events(builder);
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(events)) {
    }
  } catch (const YAML::Exception& e) {
    builder.fail(line_of(e.mark), fmt::format("not valid YAML: {}", explained(e.msg)));
  }
  return builder.take();
}

}  // namespace krigon::detail
