#include "federation/query/parser.h"

#include "federation/query/parse_actions.h"
#include "federation/query/parse_words.h"

namespace entente::federation {
namespace parsing {
namespace {

std::string found(std::string_view text, std::size_t offset) {
  if (offset >= text.size()) return "the end";
  std::string_view word = word_at(text, offset).substr(0, 40);
  if (word.empty()) {
    std::size_t length = 1;
    while (offset + length < text.size() &&
           (static_cast<unsigned char>(text[offset + length]) & 0xC0) == 0x80)
      ++length;
    word = text.substr(offset, length);
  }
  return word == "\n" || word == "\t" || word == "\r" ? "a line end"
                                                      : "'" + std::string(word) + "'";
}

Error syntax_error(std::string_view text, const SyntaxFailure& failure) {
  std::string what = place(text, failure.offset) + ": " + failure.expected;
  if (!failure.whole) what += ", found " + found(text, failure.offset);
  what += "\n" + pointed(text, failure.offset);
  std::string remedy = failure.hint;
  if (remedy.empty())
    remedy = did_you_mean(nearest(word_at(text, failure.offset), failure.candidates));
  return make_error(ErrorCode::query_syntax, std::move(what), std::move(remedy));
}

// The byte where the text stops being clean, if anywhere.
std::optional<std::size_t> unclean(std::string_view text) {
  p::memory_input<p::tracking_mode::lazy> in(text.data(), text.data() + text.size(), "question");
  if (p::parse<p::star<g::clean_character>>(in) && in.empty()) return std::nullopt;
  return static_cast<std::size_t>(in.current() - text.data());
}

}  // namespace
}  // namespace parsing

Result<Sentence> parse_question(std::string_view text) {
  if (text.size() > limits::kQuestionBytes) {
    return make_error(
        ErrorCode::query_syntax,
        "the question is longer than " + std::to_string(limits::kQuestionBytes) + " bytes");
  }
  if (const auto at = parsing::unclean(text)) {
    return make_error(
        ErrorCode::query_syntax,
        "byte " + std::to_string(*at + 1) + " of the question is not printable UTF-8 text",
        "write the question as plain text");
  }
  parsing::Builder builder;
  builder.begin = text.data();
  tao::pegtl::memory_input<tao::pegtl::tracking_mode::lazy> in(
      text.data(), text.data() + text.size(), "question");
  try {
    // The last rule expects the end, so a parse that returns at all has succeeded.
    ENTENTE_CHECK(
        (tao::pegtl::parse<grammar::sentence, parsing::action, parsing::control>(in, builder)));
  } catch (const parsing::SyntaxFailure& failure) {
    return parsing::syntax_error(text, failure);
  }
  builder.sentence.source.text = std::string(text);
  return std::move(builder.sentence);
}

}  // namespace entente::federation
