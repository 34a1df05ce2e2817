#include "tests/bench/ingest_collector.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <thread>

#include "node/collect/collector_client.h"
#include "node/collect/collector_port.h"
#include "node/quality/quality_gate.h"
#include "schemas/base/random.h"
#include "security/identity/certificate.h"
#include "security/identity/certificate_verifier.h"
#include "tests/bench/report.h"

namespace entente::bench {
namespace {

using namespace node;

double thread_cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return *std::move(result);
}

// An organisation with a charter, its CA and its node's leaf.
struct Organisation {
  explicit Organisation(Random& random, Instant now)
      : keys(security::generate_keys(random)),
        pinned(must(security::PinnedOrganisation::from_chain({security::sign_charter(
            must(security::first_charter({"bench", "Bench", now - days(1), now + days(30), 1},
                                         keys)),
            keys.roots)}))),
        issuer(must(security::CertificateIssuer::create(
            must(security::SigningKey::from_seed(keys.ca.seed().view())),
            {pinned.id(), "main", {now - days(1), now + days(30)}}, random, now))),
        verifier(pinned) {}
  security::OrganisationKeys keys;
  security::PinnedOrganisation pinned;
  std::unique_ptr<security::CertificateIssuer> issuer;
  security::CollectorVerifier verifier;
};

// The node's side on a thread of its own.
class NodeSide {
 public:
  NodeSide(Organisation& organisation, const Clock& clock, Random& random, PublicKey batch_key,
           std::string folder)
      : thread_([this, &organisation, &clock, &random, batch_key, folder = std::move(folder)] {
          try {
            serve(organisation, clock, random, batch_key, folder);
          } catch (...) {
            port_.set_exception(std::current_exception());
          }
        }) {}
  ~NodeSide() {
    if (loop_ != nullptr) loop_->post([this] { stop_->fulfill(); });
    thread_.join();
  }
  std::uint16_t port() { return port_.get_future().get(); }

 private:
  void serve(Organisation& organisation, const Clock& clock, Random& random, PublicKey batch_key,
             const std::string& folder) {
    federation::Loop loop;
    Store::Options options;
    options.path = folder + "/history.db";
    options.migrations = history_migrations();
    options.deliver = [&loop](std::function<void()> work) { loop.post(std::move(work)); };
    auto store = must(Store::open(std::move(options)));
    auto history = must(open_history(*store, clock));
    federation::Workers workers(2);
    QualityGate gate;
    const auto resolve = [&](std::string_view twin, std::string_view signal) {
      auto series = history->open_series(twin, signal);
      if (series) {
        node::Rule rule;
        rule.range = Range{-1e6, 1e6};
        gate.watch(*series, rule);
      }
      return series;
    };
    CollectParts parts{loop,    workers,
                       random,  *history,
                       resolve, [&](Batch& batch, Instant now) { gate.judge(batch, now); },
                       {}};
    auto port = std::make_unique<CollectorPort>(CollectorPort::Parts{
        clock, *organisation.issuer, organisation.verifier,
        [batch_key](const security::PeerIdentity&) { return Result<PublicKey>(batch_key); },
        parts});
    auto pair = kj::newPromiseAndFulfiller<void>();
    stop_ = kj::mv(pair.fulfiller);
    const std::uint16_t listening = must(port->open("127.0.0.1", 0));
    loop_ = &loop;
    port_.set_value(listening);
    loop.run(kj::mv(pair.promise));
    port.reset();
    workers.stop();
    loop.run(loop.after(milliseconds(1)));
    history.reset();
    store.reset();
  }

  federation::Loop* loop_ = nullptr;
  kj::Own<kj::PromiseFulfiller<void>> stop_;
  std::promise<std::uint16_t> port_;
  std::thread thread_;
};

// Second after second, sensor after sensor; every value one step of 0.01 from its last or the same.
std::vector<UploadColumns> make_stream(const CollectorLoad& load, std::int64_t from) {
  SeededRandom random(7);
  std::vector<std::int64_t> at(load.sensors);
  for (auto& hundredths : at) hundredths = static_cast<std::int64_t>(random.below(4'000));
  std::vector<UploadColumns> out;
  std::uint64_t state = 0x9E3779B97F4A7C15;
  for (std::size_t done = 0; done < load.readings;) {
    UploadColumns columns;
    columns.reserve(load.batch);
    for (; columns.size() < load.batch && done < load.readings; ++done) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      const std::size_t sensor = done % load.sensors;
      at[sensor] += static_cast<std::int64_t>(state % 3) - 1;
      const auto second = static_cast<std::int64_t>(done / load.sensors);
      columns.add(static_cast<std::uint32_t>(sensor), from + second * 1'000'000'000,
                  static_cast<double>(at[sensor]) / 100.0);
    }
    out.push_back(std::move(columns));
  }
  return out;
}

// Sends everything; gives back what the node kept.
class Sender {
 public:
  Sender(federation::Loop& loop, CollectorClient& client, std::vector<UploadColumns> stream)
      : loop_(loop), client_(client), stream_(std::move(stream)) {}

  kj::Promise<void> run() {
    while (next_ < stream_.size() && client_.has_room()) send(std::move(stream_[next_++]));
    if (next_ == stream_.size() && client_.in_flight() == 0) return kj::READY_NOW;
    return client_.next_answer().then([this] { return run(); });
  }

  AppendReport kept;
  std::vector<double> latencies;  // us
  std::string refused;

 private:
  void send(UploadColumns columns) {
    const auto begun = std::chrono::steady_clock::now();
    loop_.keep(client_.append(std::move(columns)).then([this, begun](Result<UploadReport>&& got) {
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - begun;
      latencies.push_back(took.count());
      if (got) {
        kept += got->kept;
      } else {
        refused = got.error().text();
      }
    }));
  }

  federation::Loop& loop_;
  CollectorClient& client_;
  std::vector<UploadColumns> stream_;
  std::size_t next_ = 0;
};

// Reading after reading, each with an answer of its own.
class SingleSender {
 public:
  SingleSender(federation::Loop& loop, CollectorClient& client,
               const std::vector<UploadColumns>& stream)
      : loop_(loop), client_(client) {
    for (const auto& columns : stream) {
      for (std::size_t i = 0; i < columns.size(); ++i) {
        readings_.push_back(
            {static_cast<std::uint32_t>(columns.series[i]), {columns.times[i]}, columns.values[i]});
      }
    }
    latencies.reserve(readings_.size());
  }

  kj::Promise<void> run(std::size_t in_flight) {
    auto pair = kj::newPromiseAndFulfiller<void>();
    done_ = kj::mv(pair.fulfiller);
    for (std::size_t i = 0; i < in_flight && next_ < readings_.size(); ++i) put();
    return kj::mv(pair.promise);
  }

  std::vector<double> latencies;  // us
  std::string refused;

 private:
  struct Single {
    std::uint32_t series;
    Instant time;
    double value;
  };
  void put() {
    const auto& reading = readings_[next_++];
    const auto begun = std::chrono::steady_clock::now();
    loop_.keep(
        client_.put(reading.series, reading.time, reading.value).then([this, begun](Outcome&& got) {
          const std::chrono::duration<double, std::micro> took =
              std::chrono::steady_clock::now() - begun;
          latencies.push_back(took.count());
          if (!got) refused = got.error().text();
          if (next_ < readings_.size()) return put();
          if (latencies.size() == readings_.size()) done_->fulfill();
        }));
  }

  federation::Loop& loop_;
  CollectorClient& client_;
  std::vector<Single> readings_;
  std::size_t next_ = 0;
  kj::Own<kj::PromiseFulfiller<void>> done_;
};

}  // namespace

CollectorFigures run_collector(const CollectorLoad& load) {
  std::filesystem::remove_all(load.folder);
  std::filesystem::create_directories(load.folder);
  SystemClock clock;
  SystemRandom random;
  const Instant now = clock.now();
  Organisation organisation(random, now);
  auto leaf = must(organisation.issuer->issue_collector("edge", now, days(1)));
  CollectorBundle bundle{"edge", "", organisation.pinned,
                         std::make_shared<const security::LeafCredential>(std::move(leaf)),
                         security::SigningKey::generate(random)};
  CollectorFigures out;
  {
    auto stream =
        make_stream(load, now.ns - static_cast<std::int64_t>(load.readings / load.sensors + 60) *
                                       1'000'000'000);
    out.wire_bytes_per_reading = static_cast<double>(encode_upload({}, 0, stream.front()).size()) /
                                 static_cast<double>(stream.front().size());
    NodeSide node(organisation, clock, random, bundle.batch_key.public_key(), load.folder);
    bundle.address = "127.0.0.1:" + std::to_string(node.port());
    federation::Loop loop;
    auto client = CollectorClient::connect(loop, clock, bundle).wait(loop.wait_scope());
    std::vector<SeriesKey> names;
    for (std::size_t i = 0; i < load.sensors; ++i) {
      names.push_back({"sensor-" + std::to_string(i), "value"});
    }
    client->series(std::move(names)).wait(loop.wait_scope());
    SingleSender single_sender(loop, *client, load.singles > 0 ? stream : decltype(stream)());
    Sender sender(loop, *client, std::move(stream));
    const double cpu = cpu_us(), own = thread_cpu_us();
    const auto begun = std::chrono::steady_clock::now();
    loop.run(load.singles > 0 ? single_sender.run(load.singles) : sender.run());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    const auto readings = static_cast<double>(load.readings);
    out.readings_per_s = readings / took.count();
    out.cpu_s_per_million = (cpu_us() - cpu) / readings;
    out.client_cpu_s_per_million = (thread_cpu_us() - own) / readings;
    for (const auto& refused : {sender.refused, single_sender.refused}) {
      if (!refused.empty()) throw std::runtime_error(refused);
    }
    out.kept = load.singles > 0 ? single_sender.latencies.size() : sender.kept.added;
    auto& us = load.singles > 0 ? single_sender.latencies : sender.latencies;
    std::sort(us.begin(), us.end());
    if (!us.empty()) {
      out.batch_p50_us = us[us.size() / 2];
      out.batch_p99_us = us[us.size() * 99 / 100];
    }
  }
  std::filesystem::remove_all(load.folder);
  if (out.kept != load.readings) throw std::runtime_error("not every reading was kept");
  return out;
}

}  // namespace entente::bench
