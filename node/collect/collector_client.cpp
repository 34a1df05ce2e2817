#include "node/collect/collector_client.h"

#include <capnp/rpc-twoparty.h>
#include <kj/debug.h>

#include <utility>

#include "federation/link/gate.h"
#include "federation/link/link_network.h"
#include "federation/link/link_stream.h"
#include "node/collect/charter_fetch.h"
#include "node/collect/collector_address.h"
#include "node/collect/collector_desk.h"
#include "node/collect/limits.h"
#include "schemas/base/check.h"
#include "schemas/canonical.h"
#include "security/identity/certificate_verifier.h"

namespace entente::node {
namespace {

using namespace federation;

class BundleCredentials final : public security::CredentialSource {
 public:
  explicit BundleCredentials(std::shared_ptr<const security::LeafCredential> leaf)
      : leaf_(std::move(leaf)) {}
  std::shared_ptr<const security::LeafCredential> current() const override { return leaf_; }

 private:
  const std::shared_ptr<const security::LeafCredential> leaf_;
};

CollectorBundle copy_of(const CollectorBundle& bundle) {
  return {bundle.name, bundle.address, bundle.organisation, bundle.leaf,
          security::SigningKey::from_seed(bundle.batch_key.seed().view()).value()};
}

LinkLimits client_limits() {
  LinkLimits out;
  out.bulk_rate = out.bulk_burst = 1e9;  // the node's answers are its own affair
  return out;
}

Error error_of(wire::Refusal::Reader refusal) {
  const ErrorCode code = code_from_number(refusal.getCode());
  const std::string subject = tame(refusal.getSubject().cStr());
  return make_error(
      code, subject.empty() ? "the node refused: " + std::string(code_name(code)) : subject);
}

kj::Exception fault_of(wire::Refusal::Reader refusal, const char* what) {
  const ErrorCode code = code_from_number(refusal.getCode());
  const std::string text = code_text(code) + " " + what + ": " + std::string(code_name(code));
  return KJ_EXCEPTION(FAILED, text.c_str());
}

}  // namespace

struct CollectorClient::Impl : std::enable_shared_from_this<CollectorClient::Impl> {
  Impl(Loop& l, const Clock& c, const CollectorBundle& bundle)
      : loop(l),
        clock(c),
        batch_key(key_from(bundle.batch_key.seed())),
        organisation(bundle.organisation.id()),
        credentials(bundle.leaf),
        verifier({{bundle.organisation.id(), bundle.organisation}}),
        tls(TlsContext::Role::dialler, credentials, verifier, clock,
            TlsContext::Protocol::collect) {}

  // Nothing comes back to a dead one.
  ~Impl() {
    pinging = nullptr;
    if (firewall) firewall->close("the collector is done", false);
  }

  kj::Promise<void> open(std::shared_ptr<LinkStream> s) {
    stream = std::move(s);
    firewall.emplace(loop, clock, *stream, Side::caller, collect_methods(), client_limits(),
                     [](const MessageFirewall::End&) {});
    network.emplace(*firewall, Side::caller);
    rpc.emplace(capnp::makeRpcClient(*network));
    capnp::MallocMessageBuilder message(4);
    auto vat = message.initRoot<capnp::rpc::twoparty::VatId>();
    vat.setSide(capnp::rpc::twoparty::Side::SERVER);
    auto gate = rpc->bootstrap(vat).castAs<wire::CollectGate>();
    auto request = gate.openRequest();
    auto hello = request.initHello();
    hello.setProtocolMin(kProtocolLeast);
    hello.setProtocolMax(kProtocolMost);
    hello.setSoftware(software_name());
    return request.send().then([this](capnp::Response<wire::CollectGate::OpenResults>&& response) {
      const auto outcome = response.getOutcome();
      if (!outcome.isOpened()) {
        kj::throwFatalException(fault_of(outcome.getRefusal(), "the node opened no session"));
      }
      const auto given = UploadSession::from_bytes(view_of(outcome.getOpened().getSession()));
      KJ_REQUIRE(given.has_value(), "ENT-2006 the node's session has no number");
      session = *given;
      collector.emplace(outcome.getOpened().getCollector());
      pinging = ping_for_ever().eagerlyEvaluate([](kj::Exception&&) {});
    });
  }

  kj::Promise<void> ping_for_ever() {
    return loop.after({limits::kCollectorPingNs})
        .then([this] {
          firewall->watch();
          return collector->pingRequest().send().ignoreResult();
        })
        .then([this] { return ping_for_ever(); });
  }

  kj::Promise<void> name(std::shared_ptr<std::vector<SeriesKey>> names, std::size_t from,
                         std::shared_ptr<std::vector<Result<std::uint32_t>>> out) {
    if (from == names->size()) return kj::READY_NOW;
    const std::size_t to = std::min(names->size(), from + limits::kSeriesNamesAtOnce);
    auto request = collector->seriesRequest();
    auto list = request.initNames(static_cast<unsigned>(to - from));
    for (std::size_t i = from; i < to; ++i) {
      list[static_cast<unsigned>(i - from)].setTwin((*names)[i].twin);
      list[static_cast<unsigned>(i - from)].setSignal((*names)[i].signal);
    }
    return request.send().then([this, names, from, to, out](auto&& response) -> kj::Promise<void> {
      const auto outcome = response.getOutcome();
      if (outcome.isRefusal()) {
        const Duration pause{outcome.getRefusal().getRetryAfterNs()};
        if (pause.ns <= 0 || pause > seconds(60)) {
          return fault_of(outcome.getRefusal(), "the node took no names");
        }
        return loop.after(pause).then([this, names, from, out] { return name(names, from, out); });
      }
      KJ_REQUIRE(outcome.getSeries().size() == to - from, "ENT-2006 the node's numbers are short");
      for (const auto one : outcome.getSeries()) {
        if (one.isNumber()) {
          out->emplace_back(one.getNumber());
        } else {
          out->emplace_back(error_of(one.getRefusal()));
        }
      }
      return name(names, to, out);
    });
  }

  struct Sending {
    UploadColumns columns;
    Duration give_up;
    std::size_t bytes = 0;
  };

  kj::Promise<Result<UploadReport>> send(std::shared_ptr<Sending> sending) {
    const Bytes bytes = encode_upload(session, next++, sending->columns);
    const Signature signature = sign_upload(batch_key, bytes);
    bytes_in_flight += bytes.size() - sending->bytes;
    sending->bytes = bytes.size();
    auto request = collector->appendRequest(
        capnp::MessageSize{(bytes.size() + signature.bytes.size()) / 8 + 16, 0});
    request.setBatch(data_of(bytes));
    request.setSignature(data_of(signature.view()));
    return request.send().then(
        [this, sending](auto&& response) -> kj::Promise<Result<UploadReport>> {
          const auto outcome = response.getOutcome();
          if (outcome.isReport()) {
            const auto in = outcome.getReport();
            UploadReport report;
            report.kept = {in.getAdded(), in.getRepeated(), in.getCorrected(), in.getBad()};
            report.missing = in.getMissing();
            return Result<UploadReport>(report);
          }
          const Duration pause{outcome.getRefusal().getRetryAfterNs()};
          const bool again =
              code_from_number(outcome.getRefusal().getCode()) == ErrorCode::overloaded &&
              pause.ns > 0 && clock.steady() + pause < sending->give_up;
          if (!again) return Result<UploadReport>(error_of(outcome.getRefusal()));
          return loop.after(pause).then([this, sending] { return send(sending); });
        });
  }

  bool has_room() const {
    return in_flight < limits::kUploadsAhead &&
           bytes_in_flight + limits::kUploadBytes <= limits::kUploadBytesAhead;
  }

  kj::Promise<Result<UploadReport>> append(UploadColumns columns) {
    ENTENTE_CHECK(has_room() && columns.size() <= limits::kUploadReadings);
    auto sending = std::make_shared<Sending>();
    sending->columns = std::move(columns);
    sending->give_up = clock.steady() + Duration{limits::kUploadRetriesNs};
    ++in_flight;
    return send(sending).then(
        [self = shared_from_this(), sending](Result<UploadReport>&& report) {
          self->answered(sending->bytes);
          return std::move(report);
        },
        [self = shared_from_this(), sending](kj::Exception&& fault) -> Result<UploadReport> {
          self->answered(sending->bytes);
          kj::throwFatalException(kj::mv(fault));
        });
  }

  void answered(std::size_t bytes) {
    --in_flight;
    bytes_in_flight -= bytes;
    for (auto& each : waiting) each->fulfill();
    waiting.clear();
    if (!singles.columns.times.empty()) send_singles_soon();
  }

  // Readings put one by one, and whom to tell.
  struct Singles {
    UploadColumns columns;
    std::vector<kj::Own<kj::PromiseFulfiller<Outcome>>> answers;
  };

  kj::Promise<Outcome> put(std::uint32_t series, Instant time, double value) {
    if (singles.answers.size() >= limits::kSinglesWaiting) {
      return Outcome(make_error(ErrorCode::overloaded, "too many readings wait to be sent"));
    }
    auto pair = kj::newPromiseAndFulfiller<Outcome>();
    singles.columns.add(series, time.ns, value);
    singles.answers.push_back(kj::mv(pair.fulfiller));
    send_singles_soon();
    return kj::mv(pair.promise);
  }

  // When everything else of this turn has happened.
  void send_singles_soon() {
    if (std::exchange(sends_soon, true)) return;
    loop.keep(kj::evalLater([self = shared_from_this()] {
      self->sends_soon = false;
      if (self->in_flight < limits::kUploadsOfSingles && self->has_room()) self->send_singles();
    }));
  }

  void send_singles() {
    if (singles.columns.times.empty()) return;
    auto sent = std::make_shared<Singles>(std::exchange(singles, {}));
    loop.keep(append(std::move(sent->columns))
                  .then(
                      [sent](Result<UploadReport>&& report) {
                        for (auto& each : sent->answers) {
                          each->fulfill(report ? Outcome() : Outcome(report.error()));
                        }
                      },
                      [sent](kj::Exception&& fault) {
                        for (auto& each : sent->answers) each->reject(kj::cp(fault));
                      }));
  }

  static security::SigningKey key_from(const security::Secret& seed) {
    return security::SigningKey::from_seed(seed.view()).value();
  }

  Loop& loop;
  const Clock& clock;
  const security::SigningKey batch_key;
  const OrgId organisation;
  std::optional<security::PinnedOrganisation> newer;  // than the bundle's charters
  const BundleCredentials credentials;
  const security::PinnedVerifier verifier;
  TlsContext tls;
  std::shared_ptr<LinkStream> stream;
  std::optional<MessageFirewall> firewall;
  std::optional<LinkNetwork> network;
  std::optional<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> rpc;
  std::optional<wire::Collector::Client> collector;
  UploadSession session;
  std::uint64_t next = 0;
  std::size_t in_flight = 0, bytes_in_flight = 0;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiting;
  Singles singles;  // not sent yet
  bool sends_soon = false;
  kj::Promise<void> pinging = nullptr;
};

namespace {

kj::Promise<std::shared_ptr<CollectorClient::Impl>> dial(Loop& loop, const Clock& clock,
                                                         const CollectorBundle& bundle) {
  auto impl = std::make_shared<CollectorClient::Impl>(loop, clock, bundle);
  const CollectorAddress place = collector_address(bundle.address);
  auto dialled = LinkStream::dial(loop, impl->tls, place.host, place.port, Direction::we_call,
                                  impl->organisation, client_limits())
                     .fork();
  // Dialling goes on when nobody waits for it any more, and needs the context until its end.
  loop.keep(dialled.addBranch().then([impl](auto&&) {}, [impl](kj::Exception&&) {}));
  return dialled.addBranch()
      .then([impl](std::shared_ptr<LinkStream>&& stream) { return impl->open(std::move(stream)); })
      .then([impl] { return impl; });
}

}  // namespace

kj::Promise<kj::Own<CollectorClient>> CollectorClient::connect(Loop& loop, const Clock& clock,
                                                               const CollectorBundle& bundle) {
  auto known = std::make_shared<CollectorBundle>(copy_of(bundle));
  // Only what this side refused may be mended by a newer charter; what broke stays broken.
  auto again = [&loop, &clock, known](
                   kj::Exception&& fault) -> kj::Promise<std::shared_ptr<CollectorClient::Impl>> {
    if (fault.getType() != kj::Exception::Type::FAILED) return kj::mv(fault);
    auto why = std::make_shared<kj::Exception>(kj::mv(fault));
    auto shown = [&loop, &clock, known, why](Result<security::PinnedOrganisation>&& newer)
        -> kj::Promise<std::shared_ptr<CollectorClient::Impl>> {
      if (!newer) return kj::cp(*why);
      known->organisation = std::move(*newer);
      return dial(loop, clock, *known).then([known](std::shared_ptr<Impl>&& impl) {
        impl->newer = known->organisation;
        return std::move(impl);
      });
    };
    return newer_charters(loop, clock, *known).then(kj::mv(shown));
  };
  return dial(loop, clock, *known)
      .catch_(kj::mv(again))
      .then([](std::shared_ptr<Impl>&& impl) -> kj::Own<CollectorClient> {
        return kj::heap<CollectorClient>(std::move(impl));
      });
}

const std::optional<security::PinnedOrganisation>& CollectorClient::newer() const {
  return impl_->newer;
}

CollectorClient::~CollectorClient() = default;

kj::Promise<std::vector<Result<std::uint32_t>>> CollectorClient::series(
    std::vector<SeriesKey> names) {
  auto shared = std::make_shared<std::vector<SeriesKey>>(std::move(names));
  auto out = std::make_shared<std::vector<Result<std::uint32_t>>>();
  return impl_->name(shared, 0, out).then([out] { return std::move(*out); });
}

bool CollectorClient::has_room() const {
  return impl_->has_room();
}

kj::Promise<void> CollectorClient::next_answer() {
  if (impl_->in_flight == 0) return kj::READY_NOW;
  auto pair = kj::newPromiseAndFulfiller<void>();
  impl_->waiting.push_back(kj::mv(pair.fulfiller));
  return kj::mv(pair.promise);
}

std::size_t CollectorClient::in_flight() const {
  return impl_->in_flight;
}

kj::Promise<Result<UploadReport>> CollectorClient::append(UploadColumns columns) {
  return impl_->append(std::move(columns));
}

kj::Promise<Outcome> CollectorClient::put(std::uint32_t series, Instant time, double value) {
  return impl_->put(series, time, value);
}

}  // namespace entente::node
