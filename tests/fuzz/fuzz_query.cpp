// Any bytes as a question's text: parsing never crashes, and what it accepts prints and reads back
// as itself.
#include <cstddef>
#include <cstdint>

#include "federation/query/canonical_text.h"
#include "federation/query/parser.h"
#include "schemas/base/check.h"
#include "schemas/base/limits.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entente;
  const auto question = federation::parse_question(text_of({data, size}));
  if (!question) {
    ENTENTE_CHECK(question.error().code == ErrorCode::query_syntax);
    return 0;
  }
  const std::string text = federation::to_text(*question);
  if (text.size() > limits::kQuestionBytes) return 0;
  const auto again = federation::parse_question(text);
  ENTENTE_CHECK(again.has_value() && *again == *question);
  return 0;
}
