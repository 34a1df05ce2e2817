#include "node/collect/collector_desk.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "federation/link/gate.h"
#include "node/collect/upload.h"
#include "node/limits.h"
#include "schemas/base/log.h"
#include "schemas/canonical.h"

namespace entente::node {
namespace {

using federation::Caller;
using federation::Governed;
using SeriesMap = std::vector<SeriesId>;  // by the session's number

// What a worker makes of a batch.
struct Checked {
  UploadSession session;
  std::uint64_t sequence = 0;
  Batch batch;
};

Result<Checked> check(const PublicKey& key, ByteView bytes, const Signature& signature,
                      const SeriesMap& numbers) {
  if (!verify_upload(key, bytes, signature)) {
    return make_error(ErrorCode::verification_failed, "a batch's signature is not its collector's");
  }
  auto upload = decode_upload(bytes);
  if (!upload) return std::move(upload).error();
  Checked out{upload->session, upload->sequence, {}};
  out.batch.series.reserve(upload->columns.size());
  for (const std::int64_t number : upload->columns.series) {
    if (number < 0 || number >= static_cast<std::int64_t>(numbers.size())) {
      return make_error(ErrorCode::not_found, "a series without a name in this session");
    }
    out.batch.series.push_back(numbers[static_cast<std::size_t>(number)]);
  }
  out.batch.times = std::move(upload->columns.times);
  out.batch.values = std::move(upload->columns.values);
  out.batch.qualities.resize(out.batch.times.size());
  return out;
}

struct Answer {
  std::optional<Error> refusal;
  Duration retry_after{};
  AppendReport report;
  std::uint64_t missing = 0;
};

void refuse(wire::Refusal::Builder out, ErrorCode code, Duration retry_after = {}) {
  out.setCode(static_cast<std::uint16_t>(code));
  out.setRetryAfterNs(retry_after.ns);
}

// One session's batches on their way; outlives the desk until the last of them is answered.
class Queue : public std::enable_shared_from_this<Queue> {
 public:
  Queue(CollectParts& parts, const Clock& clock, std::string name, PublicKey key,
        UploadSession session)
      : parts_(parts), clock_(clock), name_(std::move(name)), key_(key), session_(session) {}

  kj::Promise<Answer> take(ByteView bytes, const Signature& signature) {
    Answer full;
    full.retry_after = {limits::kUploadRetryNs};
    if (in_flight_ >= limits::kUploadsInFlight) {
      full.refusal = make_error(ErrorCode::overloaded, "too many batches at once");
      return full;
    }
    auto pair = kj::newPromiseAndFulfiller<Answer>();
    auto slot = std::make_shared<Slot>();
    slot->done = kj::mv(pair.fulfiller);
    auto job = [slot, key = key_, bytes = to_bytes(bytes), signature, numbers = numbers_] {
      slot->checked.emplace(check(key, bytes, signature, *numbers));
    };
    shared_ = true;
    auto checking =
        federation::off_loop<void>(parts_.loop, parts_.workers, std::move(job))
            .then([self = shared_from_this()] { self->go_on(); },
                  [self = shared_from_this(), slot](kj::Exception&& fault) {
                    const auto code = fault.getType() == kj::Exception::Type::OVERLOADED
                                          ? ErrorCode::overloaded
                                          : ErrorCode::internal;
                    slot->checked.emplace(make_error(code, fault.getDescription().cStr()));
                    self->go_on();
                  });
    ++in_flight_;
    slots_.push_back(std::move(slot));
    parts_.loop.keep(kj::mv(checking));
    return kj::mv(pair.promise);
  }

  // The session's number for a series; a series has one.
  Result<std::uint32_t> number(SeriesId series) {
    const auto next = static_cast<std::uint32_t>(numbers_->size());
    const auto [found, fresh] = known_.try_emplace(series, next);
    if (!fresh) return found->second;
    if (next >= limits::kCollectorSeries) {
      known_.erase(found);
      return make_error(ErrorCode::overloaded, "too many series in one session");
    }
    // A worker may be reading the old one.
    if (std::exchange(shared_, false)) numbers_ = std::make_shared<SeriesMap>(*numbers_);
    numbers_->push_back(series);
    return next;
  }

 private:
  struct Slot {
    std::optional<Result<Checked>> checked;
    kj::Own<kj::PromiseFulfiller<Answer>> done;
  };

  void go_on() {
    while (!slots_.empty() && slots_.front()->checked) {
      auto slot = std::move(slots_.front());
      slots_.pop_front();
      hand_over(slot);
    }
  }

  void hand_over(const std::shared_ptr<Slot>& slot) {
    Result<Checked>& checked = *slot->checked;
    if (!checked) return finish(slot, {std::move(checked).error(), {}, {}, 0});
    if (checked->session != session_) {
      return finish(slot,
                    {make_error(ErrorCode::replayed, "a batch of another session"), {}, {}, 0});
    }
    if (checked->sequence < next_) {
      return finish(slot, {make_error(ErrorCode::replayed, "a batch that came before"), {}, {}, 0});
    }
    const std::uint64_t missing = checked->sequence - next_;
    next_ = checked->sequence + 1;
    parts_.judge(checked->batch, clock_.now());
    auto done = [self = shared_from_this(), slot, missing](Result<AppendReport> written) {
      if (!written) return self->finish(slot, {std::move(written).error(), {}, {}, missing});
      if (self->parts_.kept) self->parts_.kept(self->name_, *written);
      if (written->forgotten > 0) {
        auto refusal = make_error(ErrorCode::not_found,
                                  "a series of this session was deleted; the rest is written",
                                  "open a new session and name its series again");
        return self->finish(slot, {std::move(refusal), {}, *written, missing});
      }
      self->finish(slot, {std::nullopt, {}, *written, missing});
    };
    parts_.history.append(std::move(checked->batch), std::move(done));
  }

  void finish(const std::shared_ptr<Slot>& slot, Answer answer) {
    --in_flight_;
    if (answer.refusal) {
      const ErrorCode code = answer.refusal->code;
      if (code == ErrorCode::overloaded) answer.retry_after = {limits::kUploadRetryNs};
      if (code != ErrorCode::overloaded) {
        log::warn("collect", "a batch was refused",
                  {{"collector", name_}, {"why", answer.refusal->what}});
      }
    }
    slot->done->fulfill(std::move(answer));
  }

  CollectParts& parts_;
  const Clock& clock_;
  const std::string name_;
  const PublicKey key_;
  const UploadSession session_;
  std::shared_ptr<SeriesMap> numbers_ = std::make_shared<SeriesMap>();
  bool shared_ = false;  // numbers_ was given to a worker
  std::unordered_map<SeriesId, std::uint32_t> known_;
  std::deque<std::shared_ptr<Slot>> slots_;  // in order of arrival
  std::size_t in_flight_ = 0;
  std::uint64_t next_ = 0;
};

class CollectorObject final : public Governed<wire::Collector> {
 public:
  CollectorObject(Caller caller, CollectParts& parts, std::shared_ptr<Queue> queue)
      : Governed(std::move(caller)), parts_(parts), queue_(std::move(queue)) {}

 private:
  kj::Promise<void> ping(PingContext context) override {
    context.getResults().initOutcome().setNowNs(caller().governor->clock().now().ns);
    return kj::READY_NOW;
  }

  kj::Promise<void> series(SeriesContext context) override {
    const auto names = context.getParams().getNames();
    auto outcome = context.getResults().initOutcome();
    if (names.size() > limits::kSeriesNamesAtOnce) {
      refuse(outcome.initRefusal(), ErrorCode::payload_too_large);
      return kj::READY_NOW;
    }
    auto out = outcome.initSeries(names.size());
    for (unsigned i = 0; i < names.size(); ++i) {
      const auto found =
          number_of(string_from(names[i].getTwin()), string_from(names[i].getSignal()));
      if (found) {
        out[i].setNumber(*found);
      } else {
        auto refusal = out[i].initRefusal();
        refuse(refusal, found.error().code);
        refusal.setSubject(federation::tame(found.error().what));
      }
    }
    return kj::READY_NOW;
  }

  Result<std::uint32_t> number_of(const std::string& twin, const std::string& signal) {
    const auto id = parts_.resolve(twin, signal);
    if (!id) return id.error();
    return queue_->number(*id);
  }

  kj::Promise<void> append(AppendContext context) override {
    const auto bytes = context.getParams().getBatch();
    const auto signature = Signature::from_bytes(view_of(context.getParams().getSignature()));
    if (bytes.size() > limits::kUploadBytes || !signature) {
      auto refusal = context.getResults().initOutcome().initRefusal();
      refuse(refusal, signature ? ErrorCode::payload_too_large : ErrorCode::verification_failed);
      return kj::READY_NOW;
    }
    auto answered = queue_->take(view_of(bytes), *signature);
    return answered.then([context](Answer&& answer) mutable {
      auto outcome = context.getResults(capnp::MessageSize{16, 0}).initOutcome();
      if (answer.refusal) {
        return refuse(outcome.initRefusal(), answer.refusal->code, answer.retry_after);
      }
      auto report = outcome.initReport();
      report.setAdded(static_cast<std::uint32_t>(answer.report.added));
      report.setRepeated(static_cast<std::uint32_t>(answer.report.repeated));
      report.setCorrected(static_cast<std::uint32_t>(answer.report.corrected));
      report.setBad(static_cast<std::uint32_t>(answer.report.bad));
      report.setMissing(answer.missing);
    });
  }

  CollectParts& parts_;
  const std::shared_ptr<Queue> queue_;
};

class GateObject final : public Governed<wire::CollectGate> {
 public:
  GateObject(Caller caller, CollectParts& parts, PublicKey batch_key)
      : Governed(std::move(caller)), parts_(parts), batch_key_(batch_key) {}

 private:
  kj::Promise<void> open(OpenContext context) override {
    const auto hello = context.getParams().getHello();
    auto outcome = context.getResults().initOutcome();
    if (hello.getProtocolMin() > hello.getProtocolMax()) {
      refuse(outcome.initRefusal(), ErrorCode::invalid_argument);
      return kj::READY_NOW;
    }
    if (hello.getProtocolMin() > federation::kProtocolMost) {
      refuse(outcome.initRefusal(), ErrorCode::version_too_new);
      return kj::READY_NOW;
    }
    if (hello.getProtocolMax() < federation::kProtocolLeast) {
      refuse(outcome.initRefusal(), ErrorCode::unsupported);
      return kj::READY_NOW;
    }
    const auto session = parts_.random.id<UploadSession>();
    auto queue = std::make_shared<Queue>(parts_, caller().governor->clock(), caller().peer.site,
                                         batch_key_, session);
    log::info("collect", "a session began", {{"collector", caller().peer.site}});
    auto opened = outcome.initOpened();
    opened.setProtocol(std::min(hello.getProtocolMax(), federation::kProtocolMost));
    opened.setSession(data_of(session.view()));
    opened.setBatchesInFlight(limits::kUploadsInFlight);
    opened.setReadingsMost(limits::kUploadReadings);
    opened.setCollector(kj::heap<CollectorObject>(caller(), parts_, std::move(queue)));
    return kj::READY_NOW;
  }

  CollectParts& parts_;
  const PublicKey batch_key_;
};

}  // namespace

const federation::MethodTable& collect_methods() {
  using enum federation::MethodClass;
  const auto gate = capnp::typeId<wire::CollectGate>();
  const auto collector = capnp::typeId<wire::Collector>();
  static const federation::MethodTable table({
      {gate, 0, "CollectGate.open", admin, "collect.open"},
      {collector, 0, "Collector.ping", bulk, "collect.ping"},
      {collector, 1, "Collector.series", admin, "collect.series"},
      {collector, 2, "Collector.append", bulk, "collect.append"},
  });
  return table;
}

wire::CollectGate::Client make_collect_gate(Caller caller, CollectParts& parts,
                                            PublicKey batch_key) {
  return kj::heap<GateObject>(std::move(caller), parts, batch_key);
}

}  // namespace entente::node
