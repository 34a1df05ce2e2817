#include "node/history/reading.h"

namespace entente::node {

std::string_view to_text(Quality quality) {
  switch (quality) {
    case Quality::good:
      return "good";
    case Quality::not_finite:
      return "not_finite";
    case Quality::clock_ahead:
      return "clock_ahead";
    case Quality::out_of_range:
      return "out_of_range";
    case Quality::unit_mismatch:
      return "unit_mismatch";
    case Quality::spike:
      return "spike";
    case Quality::rate_of_change:
      return "rate_of_change";
    case Quality::stuck:
      return "stuck";
    case Quality::flat_after_gap:
      return "flat_after_gap";
    case Quality::clock_behind:
      return "clock_behind";
  }
  return "unknown";
}

std::string_view to_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::good:
      return "good";
    case Verdict::uncertain:
      return "uncertain";
    case Verdict::bad:
      return "bad";
  }
  return "unknown";
}

void Batch::add(SeriesId id, const Reading& reading) {
  series.push_back(id);
  times.push_back(reading.time.ns);
  values.push_back(reading.value);
  qualities.push_back(reading.quality);
}

void Batch::reserve(std::size_t readings) {
  series.reserve(readings);
  times.reserve(readings);
  values.reserve(readings);
  qualities.reserve(readings);
}

void Batch::clear() {
  series.clear();
  times.clear();
  values.clear();
  qualities.clear();
}

}  // namespace entente::node
