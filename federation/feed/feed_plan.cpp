#include "federation/feed/feed_plan.h"

#include "schemas/base/zone.h"

namespace entente::federation {
namespace {

Error shape(std::string what, std::string remedy = {}) {
  return make_error(ErrorCode::shape_refused, std::move(what), std::move(remedy));
}

Result<TimeWindow> first_window(const Sentence& sentence, const ExportView& view, Instant now) {
  if (const auto* absolute = std::get_if<AbsoluteWindow>(&sentence.over)) return absolute->window;
  const Duration length = std::get<RelativeWindow>(sentence.over).length;
  if (length.ns <= 0 || length.ns % view.tick.ns != 0) {
    return shape("a window of " + to_text(length) + " is no multiple of the ticks of '" +
                 view.name + "' (" + to_text(view.tick) + ")");
  }
  if (auto fits = check_step(length, view.zone); !fits) {
    return shape(
        "windows of " + to_text(length) + " do not follow one another in the zone " + view.zone,
        "choose a length that divides a day or is whole days");
  }
  return TimeWindow{step_begin(now, length, view.zone), step_end(now, length, view.zone)};
}

Result<std::uint32_t> whole_ticks(Duration span, Duration tick, const char* what) {
  const std::int64_t count = tick.ns > 0 ? span.ns / tick.ns : 0;
  if (count < 1 || count * tick.ns != span.ns || count > kFeedTicksMost) {
    return shape(std::string(what) + " of " + to_text(span) + " is not 1 to " +
                     std::to_string(kFeedTicksMost) + " windows of " + to_text(tick),
                 "choose a multiple of OVER");
  }
  return static_cast<std::uint32_t>(count);
}

// The first tick's question as any plan makes it; whether the window is closed is for later.
Result<Plan> plan_tick(Sentence sentence, const MemberView& member, TimeWindow first,
                       std::optional<double> default_epsilon) {
  sentence.over = AbsoluteWindow{first, {}, {}};
  PlanOptions options;
  options.now = first.to + member.view->lateness + seconds(1);
  options.default_epsilon = default_epsilon;
  auto planned = plan(sentence, {&member, 1}, options);
  if (planned && !planned->members.front().question) {
    return shape("none of the export's public cells is in the question");
  }
  return planned;
}

std::vector<FeedMechanism> mechanisms_for(FeedKind kind) {
  using enum FeedMechanism;
  if (kind == FeedKind::repeat) return {buckets};
  if (kind == FeedKind::sliding) return {buckets, dyadic};
  return {buckets, dyadic, toeplitz};
}

}  // namespace

Result<PlannedFeed> plan_feed(const Sentence& sentence, const MemberView& member,
                              const FeedWish& wish) {
  const ExportView& view = *member.view;
  const auto first = first_window(sentence, view, wish.now);
  if (!first) return first.error();
  Duration over = first->length();
  if (const auto* relative = std::get_if<RelativeWindow>(&sentence.over)) over = relative->length;
  const auto ticks = whole_ticks(wish.horizon, over, "a horizon");
  if (!ticks) return ticks.error();
  FeedTerms terms;
  terms.ticks = *ticks;
  terms.kind = wish.kind;
  if (wish.kind == FeedKind::sliding) {
    const auto window = whole_ticks(wish.window, over, "a sliding window");
    if (!window) return window.error();
    if (*window < 2 || *window > *ticks) {
      return shape("a sliding window has 2 ticks to as many as the horizon");
    }
    terms.window_ticks = *window;
  }
  auto planned = plan_tick(sentence, member, *first, wish.default_epsilon);
  if (!planned) return std::move(planned).error();
  terms.question = *planned->members.front().question;

  PlannedFeed best;
  double least = 0;
  std::optional<Error> refusal;
  for (const FeedMechanism mechanism : mechanisms_for(wish.kind)) {
    FeedChoice& choice = best.choices.emplace_back();
    choice.mechanism = terms.mechanism = mechanism;
    auto price = price_feed(terms, view);
    if (!price) {
      choice.refused = price.error().what;
      if (!refusal) refusal = std::move(price).error();
      continue;
    }
    FeedPlan feed{*planned, terms, std::move(*price)};
    const auto errors = expected_feed_errors(feed, view);
    choice.error95 = errors.back().half_width.front();
    if (least > 0 && *choice.error95 >= least) continue;
    least = *choice.error95;
    best.feed = std::move(feed);
  }
  if (best.feed.price.ticks.empty()) return std::move(*refusal);
  return best;
}

Result<FeedPlan> replan_feed(const Sentence& sentence, const MemberView& member,
                             const FeedTerms& terms) {
  auto planned = plan_tick(sentence, member, terms.question.window, 1);
  if (!planned) return std::move(planned).error();
  planned->members.front().question = terms.question;
  auto price = price_feed(terms, *member.view);
  if (!price) return std::move(price).error();
  return FeedPlan{std::move(*planned), terms, std::move(*price)};
}

}  // namespace entente::federation
