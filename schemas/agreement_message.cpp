#include "schemas/agreement_message.h"

#include <array>

#include "schemas/base/hash.h"
#include "schemas/canonical.h"
#include "schemas/rules.h"
#include "schemas/wire/agreement.capnp.h"

namespace entente {
namespace {

constexpr rules::Refuse kRefuse{ErrorCode::agreement_invalid, "agreement message"};
constexpr std::array<std::string_view, kAgreementSteps> kSteps = {
    "propose", "counter", "settle", "report", "withdraw", "suspend", "resume", "terminate"};

template <class Id>
bool read_id(capnp::Data::Reader in, Id& out) {
  auto id = Id::from_bytes(view_of(in));
  if (!id || id->is_zero()) return false;
  out = *id;
  return true;
}

Outcome check_parts(const AgreementMessage& message) {
  const AgreementStep step = message.step;
  const bool offers = step == AgreementStep::propose || step == AgreementStep::counter ||
                      step == AgreementStep::settle;
  const bool ends = step == AgreementStep::withdraw || step == AgreementStep::terminate;
  if (message.agreement.empty() ? offers : !offers && !ends) {
    return kRefuse("agreement", "belongs to an offer, a signature and an end");
  }
  if (message.code.has_value() != (step == AgreementStep::report)) {
    return kRefuse("code", "belongs to a report and to nothing else");
  }
  if (message.test > limits::kAgreementTests || (message.test != 0 && !message.code)) {
    return kRefuse("test", "is no test of a report");
  }
  return {};
}

Result<AgreementMessage> read(wire::AgreementMessage::Reader in) {
  AgreementMessage out;
  if (!read_id(in.getSender(), out.sender)) return kRefuse("sender", "is no organisation id");
  if (!read_id(in.getReceiver(), out.receiver)) return kRefuse("receiver", "is no organisation id");
  if (!read_id(in.getThread(), out.thread)) return kRefuse("thread", "is no agreement id");
  if (!read_id(in.getTerms(), out.terms)) return kRefuse("terms", "is no agreement id");
  const auto step = agreement_step_from_text(string_from(in.getStep()));
  if (!step) return kRefuse("step", "is none that this version knows");
  out.step = *step;
  out.number = in.getNumber();
  if (out.number == 0) return kRefuse("number", "must be at least 1");
  out.agreement = bytes_from(in.getAgreement());
  if (const auto code = in.getCode(); code != 0) out.code = code_from_number(code);
  out.test = in.getTest();
  out.reason = string_from(in.getReason());
  if (!rules::is_clean_text(out.reason, limits::kTextBytes)) {
    return kRefuse("reason", "must be clean UTF-8 of at most 4096 bytes");
  }
  if (auto fits = check_parts(out); !fits) return std::move(fits).error();
  return out;
}

}  // namespace

std::string_view to_text(AgreementStep step) {
  return kSteps[static_cast<std::size_t>(step)];
}

std::optional<AgreementStep> agreement_step_from_text(std::string_view text) {
  for (std::size_t i = 0; i < kSteps.size(); ++i) {
    if (kSteps[i] == text) return static_cast<AgreementStep>(i);
  }
  return {};
}

Bytes canonical_bytes(const AgreementMessage& message) {
  capnp::MallocMessageBuilder builder;
  auto out = builder.initRoot<wire::AgreementMessage>();
  out.setSender(data_of(message.sender.view()));
  out.setReceiver(data_of(message.receiver.view()));
  out.setThread(data_of(message.thread.view()));
  out.setTerms(data_of(message.terms.view()));
  out.setStep(std::string(to_text(message.step)));
  out.setNumber(message.number);
  if (!message.agreement.empty()) out.setAgreement(data_of(message.agreement));
  if (message.code) out.setCode(static_cast<std::uint16_t>(*message.code));
  out.setTest(message.test);
  if (!message.reason.empty()) out.setReason(message.reason);
  return canonicalize(out.asReader());
}

Result<AgreementMessage> agreement_message_from_bytes(ByteView canonical) {
  if (canonical.size() > kAgreementMessageBytes) return kRefuse("size", "is over 136 KiB");
  return rules::only_encoding(with_canonical<wire::AgreementMessage>(
                                  canonical, ErrorCode::agreement_invalid, "agreement message",
                                  [](auto in) -> Result<AgreementMessage> { return read(in); }),
                              canonical, kRefuse,
                              [](const AgreementMessage& value) { return canonical_bytes(value); });
}

Hash256 agreement_message_hash(ByteView canonical) {
  return hash("entente agreement message hash v1", canonical);
}

}  // namespace entente
