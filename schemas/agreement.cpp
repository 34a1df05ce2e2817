#include "schemas/agreement.h"

#include <set>
#include <tuple>

#include "schemas/base/hash.h"
#include "schemas/export_view_wire.h"
#include "schemas/rules.h"

namespace entente {
namespace {

constexpr rules::Refuse kRefuse{ErrorCode::agreement_invalid, "agreement"};

Outcome read_names(capnp::List<capnp::Text>::Reader in, std::string_view field,
                   std::vector<std::string>& out) {
  if (in.size() > limits::kNamesListed) return kRefuse(field, "holds more than 64 names");
  std::set<std::string> seen;
  for (const auto raw : in) {
    std::string name = string_from(raw);
    if (!rules::is_label(name, limits::kLabelBytes)) {
      return kRefuse(field, "must hold clean UTF-8 of 1 to 255 bytes");
    }
    if (!seen.insert(name).second) return kRefuse(field, "holds one name twice");
    out.push_back(std::move(name));
  }
  return {};
}

Outcome read_exports(wire::Agreement::Reader in, Agreement& out) {
  const auto exports = in.getExports();
  if (exports.size() == 0 || exports.size() > limits::kExports) {
    return kRefuse("exports", "must hold 1 to 64 exports");
  }
  for (const auto item : exports) {
    auto view = read_export(item);
    if (!view) return std::move(view).error();
    if (out.find_export(view->name) != nullptr) return kRefuse("exports", "holds one name twice");
    out.exports.push_back(*std::move(view));
  }
  return {};
}

Outcome read_aggregates(wire::Agreement::Reader in, Agreement& out) {
  std::vector<std::string> names;
  if (auto done = read_names(in.getAggregates(), "aggregates", names); !done) return done;
  for (const std::string& name : names) {
    const auto aggregate = aggregate_from_text(name);
    if (!aggregate) return kRefuse("aggregates", "holds one that this version does not know");
    out.aggregates.push_back(*aggregate);
  }
  return {};
}

Outcome read_tests(wire::Agreement::Reader in, Agreement& out) {
  const auto tests = in.getTests();
  if (tests.size() > limits::kAgreementTests) return kRefuse("tests", "holds more than 256 tests");
  for (const auto item : tests) {
    AgreementTest test{item.getMust(), string_from(item.getQuestion())};
    // Questions may stand on several lines, so control characters are the parser's to judge.
    if (test.question.empty() || test.question.size() > limits::kQuestionBytes) {
      return kRefuse("tests", "must ask questions of 1 to 16384 bytes");
    }
    out.tests.push_back(std::move(test));
  }
  return {};
}

Outcome read_round(wire::Agreement::Reader in, Agreement& out) {
  out.round = in.getRound();
  const auto answers = in.getAnswers();
  if ((answers.size() != 0) != (out.round != 0)) {
    return kRefuse("answers", "belongs to a counter-offer and to nothing else");
  }
  if (answers.size() == 0) return {};
  auto id = AgreementId::from_bytes(view_of(answers));
  if (!id || id->is_zero()) return kRefuse("answers", "is no agreement id");
  out.answers = *id;
  return {};
}

Outcome read_limits(wire::Agreement::Reader in, Agreement& out) {
  out.tick_least = {in.getTickLeastNs()};
  if (out.tick_least.ns < 0) return kRefuse("tickLeast", "must not be negative");
  out.window_least = {in.getWindowLeastNs()};
  if (out.window_least.ns < 0) return kRefuse("windowLeast", "must not be negative");
  out.questions_per_hour = in.getQuestionsPerHour();
  out.questions_per_day = in.getQuestionsPerDay();
  if (const auto starts = in.getStartsNs(); starts != 0) out.starts = Instant{starts};
  if (out.starts && *out.starts >= out.expires)
    return kRefuse("starts", "must come before expires");
  out.zone = string_from(in.getZone());
  if (!out.zone.empty() && !rules::is_zone_name(out.zone)) {
    return kRefuse("zone", "is no name of a time zone");
  }
  return {};
}

Result<Agreement> read(wire::Agreement::Reader in) {
  Agreement out;
  auto provider = OrgId::from_bytes(view_of(in.getProvider()));
  auto consumer = OrgId::from_bytes(view_of(in.getConsumer()));
  if (!provider || provider->is_zero()) return kRefuse("provider", "is no organisation id");
  if (!consumer || consumer->is_zero()) return kRefuse("consumer", "is no organisation id");
  if (*provider == *consumer) return kRefuse("consumer", "must differ from the provider");
  out.provider = *provider;
  out.consumer = *consumer;
  out.name = string_from(in.getName());
  if (!is_local_id(out.name)) return kRefuse("name", "is no local id");
  if (auto done = read_exports(in, out); !done) return std::move(done).error();
  if (auto done = read_names(in.getPurposes(), "purposes", out.purposes); !done) {
    return std::move(done).error();
  }
  if (auto done = read_aggregates(in, out); !done) return std::move(done).error();
  out.min_units = in.getMinUnits();
  if (out.min_units == 0) return kRefuse("minUnits", "must be at least 1");
  out.min_sites = in.getMinSites();
  if (out.min_sites == 0) return kRefuse("minSites", "must be at least 1");
  out.rho_per_block = {in.getRhoPerBlock()};
  out.rho_guaranteed = {in.getRhoGuaranteed()};
  if (out.rho_guaranteed > out.rho_per_block) {
    return kRefuse("rhoGuaranteed", "must be at most rhoPerBlock");
  }
  if (auto done = read_names(in.getOnward(), "onward", out.onward); !done) {
    return std::move(done).error();
  }
  out.issued = {in.getIssuedNs()};
  out.expires = {in.getExpiresNs()};
  if (out.expires <= out.issued) return kRefuse("expires", "must come after issued");
  if (auto done = read_tests(in, out); !done) return std::move(done).error();
  if (auto done = read_round(in, out); !done) return std::move(done).error();
  if (auto done = read_limits(in, out); !done) return std::move(done).error();
  return out;
}

}  // namespace

const ExportView* Agreement::find_export(std::string_view wanted) const {
  for (const ExportView& view : exports) {
    if (view.name == wanted) return &view;
  }
  return nullptr;
}

Bytes canonical_bytes(const Agreement& agreement) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Agreement>();
  out.setProvider(data_of(agreement.provider.view()));
  out.setConsumer(data_of(agreement.consumer.view()));
  out.setName(agreement.name);
  auto exports = out.initExports(static_cast<unsigned>(agreement.exports.size()));
  for (unsigned i = 0; i < exports.size(); ++i) write_export(agreement.exports[i], exports[i]);
  write_texts(agreement.purposes,
              out.initPurposes(static_cast<unsigned>(agreement.purposes.size())));
  auto aggregates = out.initAggregates(static_cast<unsigned>(agreement.aggregates.size()));
  for (unsigned i = 0; i < aggregates.size(); ++i) {
    aggregates.set(i, std::string(to_text(agreement.aggregates[i])));
  }
  out.setMinUnits(agreement.min_units);
  out.setMinSites(agreement.min_sites);
  out.setRhoPerBlock(agreement.rho_per_block.units);
  out.setRhoGuaranteed(agreement.rho_guaranteed.units);
  write_texts(agreement.onward, out.initOnward(static_cast<unsigned>(agreement.onward.size())));
  out.setIssuedNs(agreement.issued.ns);
  out.setExpiresNs(agreement.expires.ns);
  auto tests = out.initTests(static_cast<unsigned>(agreement.tests.size()));
  for (unsigned i = 0; i < tests.size(); ++i) {
    tests[i].setMust(agreement.tests[i].must);
    tests[i].setQuestion(agreement.tests[i].question);
  }
  out.setRound(agreement.round);
  if (agreement.answers) out.setAnswers(data_of(agreement.answers->view()));
  out.setTickLeastNs(agreement.tick_least.ns);
  out.setWindowLeastNs(agreement.window_least.ns);
  out.setQuestionsPerHour(agreement.questions_per_hour);
  out.setQuestionsPerDay(agreement.questions_per_day);
  if (agreement.starts) out.setStartsNs(agreement.starts->ns);
  if (!agreement.zone.empty()) out.setZone(agreement.zone);
  return canonicalize(out.asReader());
}

Result<Agreement> agreement_from_bytes(ByteView canonical) {
  if (canonical.size() > limits::kAgreementBytes) return kRefuse("size", "is over 128 KiB");
  return rules::only_encoding(
      with_canonical<wire::Agreement>(canonical, ErrorCode::agreement_invalid, "agreement",
                                      [](auto in) -> Result<Agreement> { return read(in); }),
      canonical, kRefuse, [](const Agreement& value) { return canonical_bytes(value); });
}

AgreementId agreement_id_of(ByteView canonical) {
  return {hash("entente agreement v1", canonical).bytes};
}

Bytes to_wire_bytes(const SignedAgreement& agreement) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SignedAgreement>();
  out.setAgreement(data_of(agreement.agreement));
  if (agreement.provider_signature) {
    out.setProviderSignature(data_of(agreement.provider_signature->view()));
  }
  if (agreement.consumer_signature) {
    out.setConsumerSignature(data_of(agreement.consumer_signature->view()));
  }
  return canonicalize(out.asReader());
}

Result<SignedAgreement> signed_agreement_from_bytes(ByteView bytes) {
  if (bytes.size() > limits::kAgreementBytes) return kRefuse("size", "is over 128 KiB");
  const auto read_signed = [](wire::SignedAgreement::Reader in) -> Result<SignedAgreement> {
    SignedAgreement out;
    out.agreement = bytes_from(in.getAgreement());
    if (out.agreement.empty()) return kRefuse("agreement", "is empty");
    for (const auto& [field, raw, into] :
         {std::tuple{"providerSignature", in.getProviderSignature(), &out.provider_signature},
          std::tuple{"consumerSignature", in.getConsumerSignature(), &out.consumer_signature}}) {
      if (raw.size() == 0) continue;
      auto signature = Signature::from_bytes(view_of(raw));
      if (!signature) return kRefuse(field, "must be empty or 64 bytes");
      *into = *signature;
    }
    if (!out.provider_signature && !out.consumer_signature) {
      return kRefuse("providerSignature", "or the consumer's must be there");
    }
    return out;
  };
  return rules::only_encoding(
      with_canonical<wire::SignedAgreement>(bytes, ErrorCode::agreement_invalid, "signed agreement",
                                            read_signed),
      bytes, kRefuse, [](const SignedAgreement& value) { return to_wire_bytes(value); });
}

}  // namespace entente
