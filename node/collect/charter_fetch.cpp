#include "node/collect/charter_fetch.h"

#include <kj/debug.h>

#include <algorithm>
#include <utility>

#include "node/collect/collector_address.h"
#include "node/collect/limits.h"
#include "schemas/canonical.h"
#include "schemas/wire/collect.capnp.h"
#include "security/identity/limits.h"

namespace entente::node {
namespace {

using namespace federation;
using security::PinnedOrganisation;

constexpr std::size_t kLengthBytes = 4;

// Whoever answers is told nothing and believed nothing: what counts of its words is what root keys
// signed.
class AnyNode final : public security::PeerVerifier {
 public:
  explicit AnyNode(OrgId organisation) : organisation_(organisation) {}
  Result<security::PeerIdentity> verify(const std::vector<Bytes>&, Instant,
                                        const OrgId*) const override {
    security::PeerIdentity nobody;
    nobody.organisation = organisation_;
    return nobody;
  }

 private:
  const OrgId organisation_;
};

class OwnLeaf final : public security::CredentialSource {
 public:
  explicit OwnLeaf(std::shared_ptr<const security::LeafCredential> leaf) : leaf_(std::move(leaf)) {}
  std::shared_ptr<const security::LeafCredential> current() const override { return leaf_; }

 private:
  const std::shared_ptr<const security::LeafCredential> leaf_;
};

std::size_t length_of(ByteView bytes) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) length |= std::size_t{bytes[i]} << (8 * i);
  return length;
}

// Reads one chain from a stream.
class Fetch final : public ByteStream::Reader, public std::enable_shared_from_this<Fetch> {
 public:
  Fetch(Loop& loop, const Clock& clock, const CollectorBundle& bundle)
      : leaf_(bundle.leaf),
        anybody_(bundle.organisation.id()),
        tls(TlsContext::Role::dialler, leaf_, anybody_, clock, TlsContext::Protocol::charters),
        loop_(loop) {}

  kj::Promise<Result<Bytes>> read(std::shared_ptr<LinkStream> stream) {
    auto pair = kj::newPromiseAndFulfiller<Result<Bytes>>();
    done_ = kj::mv(pair.fulfiller);
    stream_ = std::move(stream);
    stream_->set_reader(this);
    stream_->want_read();
    return kj::mv(pair.promise);
  }

  void on_bytes(ByteView bytes) override {
    got_.insert(got_.end(), bytes.begin(), bytes.end());
    if (got_.size() >= kLengthBytes) {
      const std::size_t length = length_of(got_);
      if (length > limits::kCharterChainBytes || got_.size() > kLengthBytes + length) {
        return end(make_error(ErrorCode::charter_invalid, "the node showed no chain of charters"));
      }
      if (got_.size() == kLengthBytes + length) {
        return end(Bytes(got_.begin() + kLengthBytes, got_.end()));
      }
    }
    stream_->want_read();
  }
  void on_written() override {}
  void on_closed(const std::string&) override {
    end(make_error(ErrorCode::peer_unreachable,
                   "the node showed no charters: it may not know this "
                   "collector any more"));
  }

 private:
  void end(Result<Bytes> outcome) {
    if (done_->isWaiting()) done_->fulfill(std::move(outcome));
    loop_.post([stream = stream_] { stream->close(); });
  }

  const OwnLeaf leaf_;
  const AnyNode anybody_;

 public:
  TlsContext tls;

 private:
  Loop& loop_;
  std::shared_ptr<LinkStream> stream_;
  Bytes got_;
  kj::Own<kj::PromiseFulfiller<Result<Bytes>>> done_;
};

Result<PinnedOrganisation> newer(const PinnedOrganisation& pinned, Result<Bytes> bytes) {
  if (!bytes) return std::move(bytes).error();
  auto chain = charter_chain_from_bytes(*bytes);
  if (!chain) return std::move(chain).error();
  auto next = advanced(pinned, *chain);
  if (next && next->current().version == pinned.current().version) {
    return make_error(ErrorCode::not_found, "the node shows no newer charter than the bundle's");
  }
  return next;
}

}  // namespace

Bytes charter_chain_bytes(const std::vector<SignedCharter>& chain) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::CharterChain>();
  auto charters = out.initCharters(static_cast<unsigned>(chain.size()));
  for (unsigned i = 0; i < charters.size(); ++i) {
    charters.set(i, data_of(to_wire_bytes(chain[i])));
  }
  return canonicalize(out.asReader());
}

Result<std::vector<SignedCharter>> charter_chain_from_bytes(ByteView bytes) {
  const auto read = [](wire::CharterChain::Reader in) -> Result<std::vector<SignedCharter>> {
    if (in.getCharters().size() > security::limits::kCharterChain) {
      return make_error(ErrorCode::charter_invalid, "a chain of at most 256 charters was expected");
    }
    std::vector<SignedCharter> chain;
    for (const auto raw : in.getCharters()) {
      auto charter = signed_charter_from_bytes(view_of(raw));
      if (!charter) return std::move(charter).error();
      chain.push_back(std::move(*charter));
    }
    return chain;
  };
  return with_canonical<wire::CharterChain>(bytes, ErrorCode::charter_invalid, "chain of charters",
                                            read);
}

Result<PinnedOrganisation> advanced(PinnedOrganisation pinned,
                                    const std::vector<SignedCharter>& chain) {
  for (const SignedCharter& next : chain) {
    const auto& known = pinned.chain();
    if (std::find(known.begin(), known.end(), next) != known.end()) continue;
    if (auto done = pinned.advance(next); !done) return std::move(done).error();
  }
  return pinned;
}

kj::Promise<Result<PinnedOrganisation>> newer_charters(Loop& loop, const Clock& clock,
                                                       const CollectorBundle& bundle) {
  auto fetch = std::make_shared<Fetch>(loop, clock, bundle);
  const CollectorAddress place = collector_address(bundle.address);
  const LinkLimits limits;
  auto dialled = LinkStream::dial(loop, fetch->tls, place.host, place.port, Direction::we_call,
                                  bundle.organisation.id(), limits)
                     .fork();
  // Dialling goes on when nobody waits for it any more, and needs the context until its end.
  loop.keep(dialled.addBranch().then([fetch](auto&&) {}, [fetch](kj::Exception&&) {}));
  auto late = loop.after(limits.handshake).then([] {
    return Result<Bytes>(make_error(ErrorCode::peer_unreachable, "no charters came in time"));
  });
  auto read = dialled.addBranch().then(
      [fetch](std::shared_ptr<LinkStream>&& stream) { return fetch->read(std::move(stream)); });
  return read.exclusiveJoin(kj::mv(late))
      .catch_([](kj::Exception&& fault) {
        return Result<Bytes>(
            make_error(ErrorCode::peer_unreachable, fault.getDescription().cStr()));
      })
      .then([fetch, pinned = bundle.organisation](Result<Bytes>&& bytes) {
        return newer(pinned, std::move(bytes));
      });
}

// One stream that is told the chain.
class CharterShows::Show final : public ByteStream::Reader {
 public:
  Show(std::shared_ptr<LinkStream> stream, std::function<void()> over)
      : stream_(std::move(stream)), over_(std::move(over)) {}
  ~Show() { stream_->close(); }

  void begin(Bytes bytes) {
    stream_->set_reader(this);
    stream_->write(bytes);
    stream_->want_read();
  }
  void on_bytes(ByteView) override { over_(); }  // nothing was asked
  void on_written() override {}
  void on_closed(const std::string&) override { over_(); }

 private:
  const std::shared_ptr<LinkStream> stream_;
  const std::function<void()> over_;
};

CharterShows::CharterShows(Loop& loop) : loop_(loop) {}

CharterShows::~CharterShows() {
  *alive_ = false;
}

void CharterShows::show(std::shared_ptr<LinkStream> stream,
                        const PinnedOrganisation& organisation) {
  const Bytes chain = charter_chain_bytes(organisation.chain());
  if (shows_.size() >= limits::kCharterShows || chain.size() > limits::kCharterChainBytes) return;
  Bytes bytes;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(chain.size() >> (8 * i)));
  }
  bytes.insert(bytes.end(), chain.begin(), chain.end());
  const std::uint64_t id = ++last_id_;
  // Not from within the stream's own call.
  auto over = [this, alive = alive_, id] {
    loop_.post([this, alive, id] {
      if (*alive) shows_.erase(id);
    });
  };
  auto& made = shows_[id] = std::make_unique<Show>(std::move(stream), over);
  made->begin(std::move(bytes));
  loop_.keep(loop_.after(LinkLimits{}.handshake).then(over));
}

}  // namespace entente::node
