#include "tests/bench/singles_mosquitto.h"

#ifdef ENTENTE_BENCH_MOSQUITTO
#include <mosquitto.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace entente::bench {
namespace {

using Steady = std::chrono::steady_clock;

// What the callbacks share: one message is published for each that is acknowledged.
struct Publishing {
  std::size_t readings = 0, in_flight = 0, sent = 0;
  std::vector<Steady::time_point> begun;  // by message number, which is used again after 65,535
  std::vector<double> latencies;          // us
  int failed = 0;

  void publish(mosquitto* client) {
    const auto sensor = std::to_string(sent % 10'000);
    const auto topic = "sensor-" + sensor + "/value";
    const auto payload = std::to_string(sent * 7 % 4'000) + "." + std::to_string(sent % 90 + 10) +
                         " " + std::to_string(1'700'000'000'000'000'000 + sent);
    int number = 0;
    const auto now = Steady::now();
    const int code = mosquitto_publish(client, &number, topic.c_str(),
                                       static_cast<int>(payload.size()), payload.data(), 1, false);
    if (code != MOSQ_ERR_SUCCESS) failed = code;
    begun[static_cast<std::size_t>(number)] = now;
    ++sent;
  }
};

void on_connect(mosquitto* client, void* object, int) {
  auto& publishing = *static_cast<Publishing*>(object);
  while (publishing.sent < std::min(publishing.in_flight, publishing.readings)) {
    publishing.publish(client);
  }
}

void on_publish(mosquitto* client, void* object, int number) {
  auto& publishing = *static_cast<Publishing*>(object);
  const auto took = Steady::now() - publishing.begun[static_cast<std::size_t>(number)];
  publishing.latencies.push_back(std::chrono::duration<double, std::micro>(took).count());
  if (publishing.sent < publishing.readings) return publishing.publish(client);
  if (publishing.latencies.size() == publishing.readings) mosquitto_disconnect(client);
}

}  // namespace

std::string mosquitto_missing() {
  if (!installed("mosquitto")) return "the broker (package mosquitto)";
  if (!installed("openssl")) return "the program openssl";
  return "";
}

Mosquitto::Mosquitto(const std::string& binary, const std::string& folder)
    : certificate_(folder + ".crt"), key_(folder + ".key") {
  Program made({*installed("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key_, "-out", certificate_},
               folder + ".openssl.log");
  if (made.wait() != 0) throw std::runtime_error("openssl made no certificate");
  port_ = free_port();
  const auto config = folder + ".conf";
  std::ofstream(config) << "listener " << port_ << " 127.0.0.1\ncafile " << certificate_
                        << "\ncertfile " << certificate_ << "\nkeyfile " << key_
                        << "\nrequire_certificate true\nallow_anonymous true\nuser root\n"
                        << "set_tcp_nodelay true\nlog_type error\n";
  broker_.emplace(std::vector<std::string>{binary, "-c", config}, folder + ".log");
  until_listening(*broker_, port_, 30);
}

SingleFigures Mosquitto::publish(std::size_t readings, std::size_t in_flight) {
  mosquitto_lib_init();
  Publishing publishing;
  publishing.readings = readings;
  publishing.in_flight = in_flight;
  publishing.begun.resize(65'536);
  publishing.latencies.reserve(readings);
  auto* client = mosquitto_new("bench", true, &publishing);
  mosquitto_connect_callback_set(client, on_connect);
  mosquitto_publish_callback_set(client, on_publish);
  mosquitto_max_inflight_messages_set(client, static_cast<unsigned>(in_flight));
  mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_tls_set(client, certificate_.c_str(), nullptr, certificate_.c_str(), key_.c_str(),
                    nullptr);
  mosquitto_tls_insecure_set(client, true);  // the name in a certificate of today matters to nobody
  int code = mosquitto_connect(client, "127.0.0.1", port_, 60);
  const auto begun = Steady::now();
  if (code == MOSQ_ERR_SUCCESS) code = mosquitto_loop_forever(client, -1, 1);
  const double took = std::chrono::duration<double>(Steady::now() - begun).count();
  mosquitto_destroy(client);
  mosquitto_lib_cleanup();
  auto& us = publishing.latencies;
  if (us.size() != readings || publishing.failed != 0) {
    throw std::runtime_error(std::string("mosquitto: ") +
                             mosquitto_strerror(publishing.failed != 0 ? publishing.failed : code));
  }
  std::sort(us.begin(), us.end());
  return {static_cast<double>(readings) / took, us[us.size() / 2], us[us.size() * 99 / 100]};
}

}  // namespace entente::bench
#else
namespace entente::bench {

std::string mosquitto_missing() {
  return "its client's library (package libmosquitto-dev) when this was built";
}
Mosquitto::Mosquitto(const std::string&, const std::string&) {}
SingleFigures Mosquitto::publish(std::size_t, std::size_t) {
  return {};
}

}  // namespace entente::bench
#endif
