#include "tests/bench/rpc_systems.h"

#ifdef ENTENTE_BENCH_GRPC

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace entente::bench {
namespace {

// One self-signed P-256 certificate for "localhost" that both ends show and trust.
struct Pem {
  std::string key, certificate;
  Pem() {
    EVP_PKEY* pkey = EVP_EC_gen("P-256");
    X509* x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 86'400);
    X509_set_pubkey(x, pkey);
    X509_NAME* name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x, x, nullptr, nullptr, 0);
    for (auto [nid, value] : {std::pair{NID_basic_constraints, "critical,CA:TRUE"},
                              std::pair{NID_subject_alt_name, "DNS:localhost"}}) {
      X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
      X509_add_ext(x, extension, -1);
      X509_EXTENSION_free(extension);
    }
    X509_sign(x, pkey, EVP_sha256());
    key = text([&](BIO* bio) {
      PEM_write_bio_PrivateKey(bio, pkey, nullptr, nullptr, 0, nullptr, nullptr);
    });
    certificate = text([&](BIO* bio) { PEM_write_bio_X509(bio, x); });
    X509_free(x);
    EVP_PKEY_free(pkey);
  }
  template <class Write>
  static std::string text(Write write) {
    BIO* bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return out;
  }
};

// Answers one call at a time, over and over, with the bytes it got.
struct Served {
  grpc::GenericServerContext context;
  grpc::GenericServerAsyncReaderWriter stream{&context};
  grpc::ByteBuffer bytes;
  enum class Step { accept, read, write } step = Step::accept;
};

struct Call {
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
  grpc::ByteBuffer answer;
  grpc::Status status;
};

class GrpcSystem final : public System {
 public:
  explicit GrpcSystem(Load load) : load_(load), blob_(static_cast<std::size_t>(load.bytes), 'x') {
    grpc::SslServerCredentialsOptions server_options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    server_options.pem_root_certs = pem_.certificate;
    server_options.pem_key_cert_pairs.push_back({pem_.key, pem_.certificate});
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(server_options), &port);
    builder.RegisterAsyncGenericService(&service_);
    server_queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    thread_ = std::thread([this] { serve(); });
    grpc::SslCredentialsOptions options{pem_.certificate, pem_.key, pem_.certificate};
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("localhost");
    stub_ = std::make_unique<grpc::GenericStub>(grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(port), grpc::SslCredentials(options), arguments));
  }
  ~GrpcSystem() override {
    server_->Shutdown(std::chrono::system_clock::now());
    server_queue_->Shutdown();
    thread_.join();
  }

  std::uint64_t run(double seconds) override {
    std::uint64_t answers = 0;
    std::thread client([&] { answers = call(seconds); });
    client.join();
    return answers;
  }

 private:
  void serve() {
    pin(End::server);
    std::vector<std::unique_ptr<Served>> served;
    auto accept = [&] {
      auto* one = served.emplace_back(std::make_unique<Served>()).get();
      service_.RequestCall(&one->context, &one->stream, server_queue_.get(), server_queue_.get(),
                           one);
    };
    for (int i = 0; i < load_.in_flight; ++i) accept();
    void* tag = nullptr;
    bool ok = false;
    while (server_queue_->Next(&tag, &ok)) {
      auto* one = static_cast<Served*>(tag);
      if (ok && one->step == Served::Step::accept) {
        one->step = Served::Step::read;
        one->stream.Read(&one->bytes, one);
        continue;
      }
      if (ok && one->step == Served::Step::read) {
        one->step = Served::Step::write;
        one->stream.WriteAndFinish(one->bytes, grpc::WriteOptions(), grpc::Status::OK, one);
        continue;
      }
      const auto found = std::find_if(served.begin(), served.end(),
                                      [&](const auto& other) { return other.get() == one; });
      if (!ok && one->step == Served::Step::accept) {
        served.erase(found);  // the server stops
        continue;
      }
      *found = std::make_unique<Served>();
      one = found->get();
      service_.RequestCall(&one->context, &one->stream, server_queue_.get(), server_queue_.get(),
                           one);
    }
  }

  void start(Call& call, grpc::CompletionQueue& queue) {
    const grpc::Slice slice(blob_.data(), blob_.size());
    const grpc::ByteBuffer request(&slice, 1);
    call.context = std::make_unique<grpc::ClientContext>();
    call.answer.Clear();
    call.reader = stub_->PrepareUnaryCall(call.context.get(), "/bench/Echo", request, &queue);
    call.reader->StartCall();
    call.reader->Finish(&call.answer, &call.status, &call);
  }

  std::uint64_t call(double seconds) {
    pin(End::client);
    grpc::CompletionQueue queue;
    std::vector<Call> calls(static_cast<std::size_t>(load_.in_flight));
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    for (Call& one : calls) start(one, queue);
    std::uint64_t answers = 0;
    int open = load_.in_flight;
    void* tag = nullptr;
    bool ok = false;
    while (open > 0 && queue.Next(&tag, &ok)) {
      auto& one = *static_cast<Call*>(tag);
      if (ok && one.status.ok() && one.answer.Length() == blob_.size()) ++answers;
      if (std::chrono::steady_clock::now() < end) {
        start(one, queue);
      } else {
        --open;
      }
    }
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    return answers;
  }

  const Load load_;
  const std::string blob_;
  const Pem pem_;
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> server_queue_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::GenericStub> stub_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<System> make_grpc(Load load) { return std::make_unique<GrpcSystem>(load); }

}  // namespace entente::bench

#else

namespace entente::bench {
std::unique_ptr<System> make_grpc(Load) { return nullptr; }
}  // namespace entente::bench

#endif
