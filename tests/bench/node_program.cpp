#include "tests/bench/node_program.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "node/daemon/daemon.h"
#include "node/service/http_client.h"

namespace entente::bench {
namespace {

using Steady = std::chrono::steady_clock;
constexpr auto kPause = std::chrono::milliseconds(2);

double seconds_since(Steady::time_point begun) {
  return std::chrono::duration<double>(Steady::now() - begun).count();
}

}  // namespace

void NodeProgram::make(const std::string& home) {
  node::InitRequest request;
  request.settings.home = home;
  request.settings.organisation = "bench";
  request.settings.title = "Bench";
  request.settings.http_port = request.settings.federation_port = 0;
  request.settings.enrolment_port = request.settings.collect_port = 0;
  if (auto made = node::init_node(request); !made) throw std::runtime_error(made.error().text());
}

NodeProgram::NodeProgram(const std::string& home) : home_(home) {
  const auto port_file = home + "/run/http.port";
  std::filesystem::remove(port_file);
  const auto begun = Steady::now();
  program_.emplace(std::vector<std::string>{ENTENTE_BENCH_NODE, "--home", home, "serve"},
                   home + ".log");
  while (true) {
    if (std::ifstream file(port_file); port_ == 0 && file >> port_) {
      until_listening(*program_, port_, 600);
    }
    if (port_ != 0) {
      node::HttpClient client({"127.0.0.1", port_, ""}, entente::seconds(5));
      const auto ready = client.send({"GET", "/readyz", "", "", {}});
      if (ready && ready->status == 200) break;
    }
    if (!program_->running()) throw std::runtime_error("the node ended: see " + home + ".log");
    if (seconds_since(begun) > 600) throw std::runtime_error("the node is not ready in time");
    std::this_thread::sleep_for(kPause);
  }
  ready_s_ = seconds_since(begun);
}

std::string NodeProgram::token() const {
  std::ifstream file(home_ + "/admin.token");
  std::string token;
  file >> token;
  return token;
}

}  // namespace entente::bench
