#include "node/service/http_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace entente::node {
namespace {

std::string status_class(int status) {
  return std::to_string(status / 100) + "xx";
}

const prometheus::Histogram::BucketBoundaries& request_seconds() {
  static const prometheus::Histogram::BucketBoundaries bounds{0.001, 0.005, 0.025, 0.1,
                                                              0.5,   2.5,   10,    60};
  return bounds;
}

}  // namespace

struct HttpMetrics::Families {
  prometheus::Family<prometheus::Counter>& requests;
  prometheus::Family<prometheus::Histogram>& seconds;
  prometheus::Gauge& open;
  prometheus::Family<prometheus::Counter>& cuts;
};

HttpMetrics::HttpMetrics(prometheus::Registry& registry)
    : families_(new Families{
          prometheus::BuildCounter()
              .Name("entente_http_requests_total")
              .Help("HTTP requests answered, by route template, method and class of status.")
              .Register(registry),
          prometheus::BuildHistogram()
              .Name("entente_http_request_seconds")
              .Help("Time from a request's last header line to the last byte of its reply.")
              .Register(registry),
          prometheus::BuildGauge()
              .Name("entente_http_connections")
              .Help("HTTP connections open now.")
              .Register(registry)
              .Add({}),
          prometheus::BuildCounter()
              .Name("entente_http_cut_total")
              .Help("HTTP connections cut, by reason.")
              .Register(registry)}) {}
HttpMetrics::~HttpMetrics() = default;

void HttpMetrics::request(std::string_view route, std::string_view method, int status,
                          Duration took) {
  families_->requests
      .Add({{"route", std::string(route)},
            {"method", std::string(method)},
            {"status", status_class(status)}})
      .Increment();
  families_->seconds.Add({{"route", std::string(route)}}, request_seconds())
      .Observe(took.seconds());
}

void HttpMetrics::connections(std::size_t open) {
  families_->open.Set(static_cast<double>(open));
}

void HttpMetrics::cut(std::string_view reason) {
  families_->cuts.Add({{"reason", std::string(reason)}}).Increment();
}

std::string metrics_text(const prometheus::Registry& registry) {
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

}  // namespace entente::node
