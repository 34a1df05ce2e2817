#include "tests/unit/node/cli/fake_node.h"

#include "federation/audit/privacy_audit.h"

namespace entente::node::test {
namespace {

namespace json = boost::json;

// Two states answer, one refuses, one is late.
constexpr const char* kAnswer = R"j({
 "question":"SELECT mean(pm25), count(*) FROM smoke GROUP BY state OVER 24h","query_id":"5ad0",
 "window":{"from":"2015-08-23T00:00:00Z","to":"2015-08-24T00:00:00Z"},"exact":false,"partial":true,
 "items":[{"label":"mean(pm25)","unit":"ug/m3"},{"label":"count(*)","unit":""}],
 "group_keys":["state"],
 "rows":[
  {"group":["WA"],"total":false,"values":[{"value":83.4172,"standard_error":2.9,
    "lower":77.73,"upper":89.10},
                                          {"value":54.0,"standard_error":1.5,"lower":51.0,
    "upper":57.0}]},
  {"group":["OR"],"total":false,"values":[{"value":9.25,"standard_error":3.8,"lower":1.8,
    "upper":16.7},null]},
  {"group":["ID"],"total":false,"values":[null,null]},
  {"group":[],"total":true,"values":[{"value":51.02,"standard_error":2.4,"lower":46.3,"upper":55.7},
                                     {"value":95,"standard_error":2.1,"lower":90.8,"upper":99.2}]}],
 "coverage":[
  {"organisation":"washington","site":"main","state":"answered","reused":false,
   "charged":{"epsilon":4,"rho":0.31,"blocks":[{"start":"2015-08-23T00:00:00Z","epsilon":4}]},
   "left":{"epsilon":3.9999,"percent":49.99,"cap_epsilon":8},"age_s":3600},
  {"organisation":"oregon","site":"main","state":"answered","reused":true,
   "charged":{"epsilon":0,"rho":0,"blocks":[]},"left":{"epsilon":8,"percent":100,
    "cap_epsilon":8},"age_s":86400},
  {"organisation":"idaho","site":"boise","state":"refused","code":"ENT-5001",
    "reason":"budget exhausted",
   "left":{"epsilon":0,"percent":0,"cap_epsilon":8}},
  {"organisation":"montana","site":"main","state":"late"}],
 "unit":"twin","mechanism":"exact discrete Gaussian","receipt":"r-7Q2M"})j";

constexpr const char* kPreview = R"j({
 "charge":[{"organisation":"washington","epsilon":4,"left_epsilon_after":3.9},
           {"organisation":"oregon","epsilon":4,"left_epsilon_after":4}],
 "expected":[{"label":"mean(pm25)","group":["WA"],"error95":5.7},{"label":"mean(pm25)",
    "group":["OR"],"error95":7.44}],
 "protects":"one monitor in each day","notes":["idaho has not enough left"]})j";

constexpr const char* kTwins = R"j({"items":[
 {"id":"monitor-53","type":"dtmi:org:air:Monitor;1","name":"Seattle","properties":{"state":"WA"},
  "signals":{"pm25":{"value":12.4,"time":"2015-08-23T10:00:00Z","age_s":7300,
    "quality":"good","unit":"ug/m3"}}},
 {"id":"m-1","type":"dtmi:org:air:Monitor;1","name":"Łódź 東京","properties":{},
    "signals":{}}],"next":null})j";

}  // namespace

void FakeNode::add(RouteTable& table, Method method, const std::string& path, Verb verb,
                   BodyKind body, std::string json) {
  const std::string key = std::string(to_text(method)) + " " + path;
  replies_.with([&](auto& all) { all[key] = {std::move(json), std::nullopt}; });
  Route route = make_route(
      method, path, verb, body,
      [this, key](const Call& call) -> boost::asio::awaitable<Result<Reply>> {
        Seen seen{key, call.content_type, call.body};
        for (const auto& [name, value] : call.path) seen.line += " " + name + "=" + value;
        for (const auto& [name, value] : call.query) seen.line += " " + name + "=" + value;
        while (call.lines != nullptr) {
          auto part = co_await call.lines->next_lines();
          if (!part || part->empty()) break;
          seen.body += *part;
        }
        seen_.with([&](auto& all) { all.push_back(seen); });
        const bool preview = seen.body.find("\"dryRun\":true") != std::string::npos;
        const std::string which = preview ? "PREVIEW" : key;
        const Canned canned = replies_.with([&](const auto& all) { return all.at(which); });
        if (canned.error) co_return *canned.error;
        Reply reply;
        reply.body = canned.json;
        co_return reply;
      });
  if (path == "/api/v1/login") route.access = Access::open;
  table.add(std::move(route));
}

void FakeNode::fill(RouteTable& table) {
  const auto get = [&](const char* path, Verb verb, std::string json) {
    add(table, Method::get, path, verb, BodyKind::none, std::move(json));
  };
  const auto post = [&](const std::string& path, Verb verb, BodyKind body, std::string json) {
    add(table, Method::post, path, verb, body, std::move(json));
  };
  get("/api/v1/status", Verb::read_status,
      R"j({"organisation":{"id":"ab12","name":"washington",)j"
      R"j("title":"Department of Ecology"},"site":"main",)j"
      R"j("version":"0.1.0","uptime_s":10800,"http":"http://127.0.0.1:8470",)j"
      R"j("federation":{"listening":"127.0.0.1:8471"},"twins":54,"readings":129600,)j"
      R"j("links":{"active":3,"pending":1,"revoked":0},"checks":[)j"
      R"j({"name":"store","state":"ok","detail":"writes take 2 ms","remedy":""},)j"
      R"j({"name":"disk","state":"warn","detail":"9 % free","remedy":"free space"}]})j");
  get("/api/v1/types", Verb::read_twins,
      R"j({"items":[{"id":"dtmi:org:air:Monitor;1","name":"Monitor","twins":54}]})j");
  get("/api/v1/types/{dtmi}", Verb::read_twins,
      R"j({"@id":"dtmi:org:air:Monitor;1","@type":"Interface","contents":[)j"
      R"j({"@type":["Telemetry","Concentration"],"name":"pm25","schema":"double",)j"
      R"j("unit":"microgramPerCubicMetre"}]})j");
  post("/api/v1/types", Verb::write_twins, BodyKind::json,
       R"j({"added":1,"changed":0,"unchanged":0})j");
  get("/api/v1/twins", Verb::read_twins, kTwins);
  get("/api/v1/twins/{id}", Verb::read_twins,
      R"j({"id":"monitor-53","type":"dtmi:org:air:Monitor;1","name":"Seattle",)j"
      R"j("properties":{"state":"WA"},)j"
      R"j("signals":{"pm25":{"value":12.4,"time":"2015-08-23T10:00:00Z","age_s":7300,)j"
      R"j("quality":"good",)j"
      R"j("unit":"ug/m3"}},"relationships":[{"name":"in","target":"county-33"}],"readings":720})j");
  get("/api/v1/twins/{id}/history", Verb::read_twins,
      R"j({"twin":"monitor-53","items":[{"signal":"pm25","readings":720,)j"
      R"j("from":"2015-07-24T07:00:00Z","to":"2015-08-23T10:00:00Z","summarised":720,)j"
      R"j("minutes_from":null,"hours_from":null,"days_from":"2015-07-25T00:00:00Z",)j"
      R"j("keep_readings":"30d","keep_minutes":"365d","keep_hours":"forever"}]})j");
  get("/api/v1/twins/{id}/readings", Verb::read_twins,
      R"j({"items":[{"signal":"pm25","time":"2015-08-23T10:00:00Z","value":12.4,)j"
      R"j("quality":"good"},{"signal":"pm25","time":"2015-08-23T11:00:00Z","value":null,)j"
      R"j("quality":"not_finite"}],"next":""})j");
  post("/api/v1/twins/delete", Verb::write_twins, BodyKind::json,
       R"j({"twins":["monitor-53"],"items":[{"twin":"monitor-53","signal":"pm25",)j"
       R"j("readings":720}],"readings":720,"complete":true,"remains":["backups"]})j");
  get("/api/v1/twins/{id}/health", Verb::read_twins,
      R"j({"twin":"monitor-53","items":[{"signal":"pm25","age_s":7300,"window":{)j"
      R"j("from":"2015-08-22T10:00:00Z","to":"2015-08-23T10:00:00Z","readings":24,)j"
      R"j("verdicts":{"good":22,"stuck":2},"good_share":0.917},"since_start":{"arrivals":30,)j"
      R"j("duplicates":1,"out_of_order":0,"gaps":{"count":1,"longest_s":7200,"last":null},)j"
      R"j("irregular_share":null,"last_good":"2015-08-23T08:00:00Z"}}]})j");
  get("/api/v1/twins/{id}/quarantine", Verb::read_twins,
      R"j({"items":[{"signal":"pm25","time":"2015-08-23T10:00:00Z","value":5000,)j"
      R"j("unit":"ug/m3","verdict":"bad","reason":"out_of_range"}],"next":""})j");
  post("/api/v1/twins/{id}/rejudge", Verb::write_readings, BodyKind::json,
       R"j({"judged":720,"changed":2,"items":[{"signal":"pm25","from":"out_of_range",)j"
       R"j("to":"good","readings":2}]})j");
  post("/api/v1/quality/reload", Verb::write_twins, BodyKind::json,
       R"j({"items":[{"of":"type","owner":"dtmi:org:air:Monitor;1","signal":"pm25",)j"
       R"j("change":"changed"}],"retention":[],"loses":false,)j"
       R"j("idle":[{"type":"dtmi:org:air:Valve;1","signal":"flow"}],"series":4,)j"
       R"j("needs_restart":true,"dry_run":false})j");
  get("/api/v1/quality/learned", Verb::read_twins,
      R"j({"items":[{"signal":"pm25","readings":720,"good":700,"median":12,"mad":3,)j"
      R"j("flagged":{"range":2},"toml":"[quality]\nrange = [0, 100]\n"}],"skipped":[],)j"
      R"j("toml":"[quality]\nrange = [0, 100]\n"})j");
  const std::string model =
      R"j({"twin":"monitor-53","name":"pm25","kind":"theta","version":2,"life":"live",)j"
      R"j("reason":"","since":"2015-08-24T00:00:00Z","validation":{"points":96,)j"
      R"j("from":"2015-08-20T00:00:00Z","to":"2015-08-24T00:00:00Z","mean_absolute_error":2.5,)j"
      R"j("naive_error":3,"mase":0.8,"coverage_half":0.5,"coverage_ninety":0.91},)j"
      R"j("running":true,"fed_to":"2015-08-24T00:00:00Z","behind_s":0,"drift":0.1,)j"
      R"j("score":{"forecasts":4,"points":80,"mase":0.9,"coverage_half":0.5,)j"
      R"j("coverage_ninety":0.9},"residual":[{"signal":"pm25","difference":1}],)j"
      R"j("last_error":"","toml":"[model]\n"})j";
  const std::string predicted =
      R"j("path":[{"time":"2015-08-24T01:00:00Z","mean":12,"low50":10,"high50":14,)j"
      R"j("low90":6,"high90":19}])j";
  const std::string refit =
      R"j({"number":7,"kind":"refit","life":"open","twin":"monitor-53","model":"pm25",)j"
      R"j("version":2,"made":"2015-08-24T00:00:00Z","by":"user:ann","toml":"[model]\n",)j"
      R"j("proposal":{"changes":[{"what":"warm_up","before":"480","after":"720"}],)j"
      R"j("before":{"points":96,"mean_absolute_error":3},"after":{"points":96,)j"
      R"j("mean_absolute_error":2}}})j";
  get("/api/v1/models/proposals", Verb::read_twins, R"j({"items":[)j" + refit + "]}");
  get("/api/v1/twins/{id}/proposals/{number}", Verb::read_twins, refit);
  post("/api/v1/twins/{id}/proposals/{number}", Verb::write_twins, BodyKind::json, refit);
  post("/api/v1/twins/{id}/models/{model}/refit", Verb::write_twins, BodyKind::json, refit);
  post("/api/v1/twins/{id}/optimise", Verb::write_twins, BodyKind::json,
       R"j({"number":8,"kind":"optimisation","life":"open","twin":"monitor-53","model":"room",)j"
       R"j("version":1,"made":"2015-08-24T00:00:00Z","by":"user:ann","toml":"",)j"
       R"j("proposal":{"cost":2,"cost_held":3,"seed":1,"steps_at_risk":1,"pieces":[)j"
       R"j({"from":"2015-08-24T01:00:00Z","inputs":{"heat":4}}],"items":[{"signal":"indoor",)j" +
           predicted + "}]}}");
  get("/api/v1/signals", Verb::read_twins,
      R"j({"items":[{"name":"net_flow","owner":"twin tank-1","value":"flow_in - flow_out",)j"
      R"j("unit":"litrePerSecond","hold":"15m"}]})j");
  post("/api/v1/signals", Verb::write_twins, BodyKind::text, R"j({"applied":1})j");
  post("/api/v1/signals/remove", Verb::write_twins, BodyKind::json,
       R"j({"removed":"net_flow","owner":"twin tank-1"})j");
  get("/api/v1/twins/{id}/signals", Verb::read_twins,
      R"j({"items":[{"name":"net_flow","value":null,"unit":"litrePerSecond","age_s":null,)j"
      R"j("expression":"flow_in - flow_out","reason":"no good reading"}]})j");
  get("/api/v1/models", Verb::read_twins, R"j({"items":[)j" + model + "]}");
  get("/api/v1/twins/{id}/models/{model}", Verb::read_twins, model);
  post("/api/v1/twins/{id}/models", Verb::write_twins, BodyKind::text, model);
  post("/api/v1/twins/{id}/models/{model}/retire", Verb::write_twins, BodyKind::json, model);
  post("/api/v1/twins/{id}/models/identify", Verb::read_twins, BodyKind::json,
       R"j({"items":[{"method":"seasonal naive","kind":"seasonal_naive","fitted":true,)j"
       R"j("chosen":true,"points":96,"mean_absolute_error":3,"mase":1,"coverage_half":0.5,)j"
       R"j("coverage_ninety":0.9}],"beats_naive":false,"alarms":null,"toml":"[model]\n"})j");
  get("/api/v1/twins/{id}/forecast", Verb::read_twins,
      R"j({"model":"pm25","kind":"theta","version":2,"issued":"2015-08-24T00:00:00Z",)j"
      R"j("items":[{"signal":"pm25",)j" +
          predicted + "}]}");
  get("/api/v1/twins/{id}/anomalies", Verb::read_twins,
      R"j({"items":[{"time":"2015-08-23T10:00:00Z","signal":"pm25","value":180,)j"
      R"j("expected":12,"evidence":4.2,"model":"pm25-anomalies","version":1}]})j");
  post("/api/v1/twins/{id}/simulate", Verb::read_twins, BodyKind::json,
       R"j({"signal":"pm25","runs":200,"seed":1,"past_errors":40,"above":0.1,"below":1,)j" +
           predicted + "}");
  post("/api/v1/twins", Verb::write_twins, BodyKind::json_or_text,
       R"j({"added":2,"changed":1,"unchanged":51})j");
  post("/api/v1/readings", Verb::write_readings, BodyKind::lines,
       R"j({"accepted":2,"rejected":[{"line":2,"reason":"no signal 'pm26'"}],"duplicates":1})j");
  post("/api/v1/ask", Verb::ask, BodyKind::json, kAnswer);
  const char* const feed =
      R"j({"id":"3f9a21cc00","role":"followed","organisation":"oregon","export":"air",)j"
      R"j("question":"SELECT mean(pm25) FROM air@oregon OVER 1d","kind":"repeat",)j"
      R"j("mechanism":"per-tick buckets","over":"1d","ticks":30,"released":1,"state":"running",)j"
      R"j("code":null,"from":"2015-08-23T00:00:00Z","until":"2015-09-22T00:00:00Z",)j"
      R"j("first_due":"2015-08-24T02:00:00Z","charge":{"epsilon":0.5,"rho":9,"blocks":[)j"
      R"j({"start":"2015-08-23T00:00:00Z","epsilon":0.5}]},"mechanisms":[{"mechanism":)j"
      R"j("per-tick buckets","chosen":true,"error95":1.5}],"expected":[{"label":"mean(pm25)",)j"
      R"j("group":[],"total":false,"error95":1.5}],"items":[{"label":"mean(pm25)",)j"
      R"j("unit":"ug/m3"}],"group_keys":[],"coverage":{"ticks":30,"released":1,"late":0,)j"
      R"j("missing":0},"series":[{"sequence":0,"from":"2015-08-23T00:00:00Z","state":"released",)j"
      R"j("age_s":7300,"rows":[{"group":[],"total":false,"values":[{"value":43.7,)j"
      R"j("standard_error":0.8,"lower":42.1,"upper":45.3}]}]},{"sequence":1,)j"
      R"j("from":"2015-08-24T00:00:00Z","state":"waiting","rows":[]}],"pulled":1,)j"
      R"j("last_error":"","returned_blocks":3})j";
  get("/api/v1/feeds", Verb::ask, R"j({"items":[)j" + std::string(feed) + "]}");
  post("/api/v1/feeds", Verb::ask, BodyKind::json, feed);
  get("/api/v1/feeds/{id}", Verb::ask, feed);
  post("/api/v1/feeds/{id}/pull", Verb::ask, BodyKind::json, feed);
  post("/api/v1/feeds/{id}/cancel", Verb::ask, BodyKind::json, feed);
  get("/api/v1/budget", Verb::read_budgets,
      R"j({"domains":[{"domain":"air","unit":"twin","cap_epsilon":8,"delta":1e-6,"blocks":[)j"
      R"j({"start":"2015-08-23T00:00:00Z","spent_epsilon":4.25,"left_epsilon":3.7,)j"
      R"j("reserved_epsilon":1,)j"
      R"j("percent_left":46.3,"week_epsilon":9.5,"year_epsilon":20.25,)j"
      R"j("partners":[{"organisation":"airshed","spent_epsilon":4.25,"left_epsilon":1.5,)j"
      R"j("quota_epsilon":6,"guaranteed_epsilon":2}]}]}],"partners_quota":[]})j");
  post("/api/v1/budget/reconcile", Verb::manage_budgets, BodyKind::json,
       R"j({"evidence":"organisation:cd34 shows record 9","spent_before":"2026-01-02T03:04:05Z",)j"
       R"j("domains":[{"domain":"air","block":"1d","cap_epsilon":8,)j"
       R"j("blocks_before":"2026-01-02T03:04:05Z","lifetime_block":"spent wholly"}],)j"
       R"j("compared":["oregon"],"not_compared":["idaho"],"done":true})j");
  get("/api/v1/links", Verb::read_links,
      R"j({"items":[{"organisation":{"id":"cd34","name":"oregon","title":"Oregon DEQ"},)j"
      R"j("state":"active",)j"
      R"j("turn":"","since":"2026-01-02T03:04:05Z","last_error":null,)j"
      R"j("certificate_expires":"2026-01-03T03:04:05Z",)j"
      R"j("round_trip_ms":0.4213,"protocol":1,"dials":"them","words":"amber otter canal"},)j"
      R"j({"organisation":{"id":"ef56","name":"idaho","title":"Idaho DEQ"},)j"
      R"j("state":"pending","turn":"us",)j"
      R"j("since":"2026-01-02T03:04:05Z","last_error":"refused \u001b[2Jred",)j"
      R"j("certificate_expires":null,)j"
      R"j("round_trip_ms":null,"protocol":1,"dials":"us","words":"one two three"}]})j");
  post("/api/v1/links/invite", Verb::manage_links, BodyKind::json,
       R"j({"token":"ENTL1abc","expires":"2026-01-03T00:00:00Z"})j");
  post("/api/v1/links/accept", Verb::manage_links, BodyKind::json,
       R"j({"organisation":{"id":"cd34","name":"oregon","title":"Oregon DEQ"},)j"
       R"j("words":"amber otter","state":"pending"})j");
  for (const char* verb : {"cancel", "confirm", "suspend", "resume", "revoke"}) {
    add(table, Method::post, std::string("/api/v1/links/{name}/") + verb, Verb::manage_links,
        BodyKind::json, R"j({"state":"active"})j");
  }
  const char* collector =
      R"j({"name":"gate-3","state":"active","connected":true,"since":"2026-01-02T00:00:00Z",)j"
      R"j("expires":"2026-02-01T00:00:00Z","bundle":"/x/gate-3.bundle"})j";
  get("/api/v1/keys", Verb::read_links,
      R"j({"organisation":"ab12","version":2,"issued":"2026-01-01T00:00:00Z",)j"
      R"j("expires":"2028-12-31T00:00:00Z","days_left":1000,"threshold":1,"root_keys":1,)j"
      R"j("leaf_expires":"2026-01-02T00:00:00Z","revoked":[],"items":[)j"
      R"j({"purpose":"ca","key":"5f0c","hash":"11","state":"next","since_version":2,)j"
      R"j("waits_for":["oregon"]}]})j");
  const char* const charter =
      R"j({"version":3,"state":"in force","changes":["adds the ca key 5f0c"],)j"
      R"j("missing_of_old":0,"missing_of_new":0,"could_sign":[],"draft":null})j";
  for (const char* path : {"/api/v1/keys/{purpose}/rotate", "/api/v1/keys/{purpose}/use",
                           "/api/v1/keys/revoke", "/api/v1/keys/retire", "/api/v1/charter/apply"}) {
    post(path, Verb::manage_keys, BodyKind::json, charter);
  }
  get("/api/v1/collectors", Verb::read_links, R"j({"items":[)j" + std::string(collector) + "]}");
  post("/api/v1/collectors", Verb::manage_links, BodyKind::json, collector);
  post("/api/v1/collectors/{name}/revoke", Verb::manage_links, BodyKind::json, collector);
  get("/api/v1/agreements", Verb::read_agreements,
      R"j({"items":[{"id":"3f9a21cc00000000000000000000000000000000000000000000000000000000",)j"
      R"j("name":"smoke",)j"
      R"j("provider":"washington","consumer":"airshed","state":"active","turn":"",)j"
      R"j("since":"2026-01-02T00:00:00Z",)j"
      R"j("exports":["air"],"epsilon_per_block":4,"expires":"2027-01-01T00:00:00Z",)j"
      R"j("last_error":null}]})j");
  get("/api/v1/agreements/{id}", Verb::read_agreements,
      R"j({"id":"3f9a","state":"active","text":"[agreement]\npartner = \"x\"\n"})j");
  post("/api/v1/agreements", Verb::manage_agreements, BodyKind::json,
       R"j({"id":"3f9a","state":"proposed"})j");
  post("/api/v1/agreements/new", Verb::read_agreements, BodyKind::json,
       R"j({"text":"[agreement]\npartner = \"airshed\"\n"})j");
  post("/api/v1/agreements/diff", Verb::read_agreements, BodyKind::json,
       R"j({"before":"version 1","after":"x.toml","items":[{"term":"epsilon_per_block",)j"
       R"j("before":"4","after":"8","gains":"north","loses":"WA's units",)j"
       R"j("words":"north may ask epsilon 4 -> 8 per day: WA's units lose protection"}]})j");
  for (const char* step : {"counter", "suspend", "resume", "withdraw"}) {
    post("/api/v1/agreements/{id}/" + std::string(step), Verb::manage_agreements, BodyKind::json,
         R"j({"id":"3f9a","state":"countered"})j");
  }
  post("/api/v1/agreements/{id}/sign", Verb::manage_agreements, BodyKind::json,
       R"j({"id":"3f9a","state":"active"})j");
  post("/api/v1/agreements/{id}/terminate", Verb::manage_agreements, BodyKind::json,
       R"j({"id":"3f9a","state":"terminated"})j");
  get("/api/v1/systems", Verb::read_twins,
      R"j({"items":[{"name":"smoke","members":["air@washington","air@oregon"],)j"
      R"j("properties":{"pm25":{}}}]})j");
  const char* kept =
      R"j("id":7,"from":"2015-08-23T00:00:00Z","to":"2015-08-24T00:00:00Z","value":51.02,)j"
      R"j("standard_error":2.4,"lower":46.3,"upper":55.7,"unit":"ug/m3","answered":1,"members":2,)j"
      R"j("revision":0,"version":3,"released":"2015-08-24T02:00:01Z","age_s":7200,"reason":"",)j"
      R"j("cells":[{"from":"2015-08-23T00:00:00Z","to":"2015-08-24T00:00:00Z","value":51.02,)j"
      R"j("standard_error":2.4,"lower":46.3,"upper":55.7}],)j"
      R"j("coverage":[{"organisation":"washington","state":"answered","charged":{"epsilon":0.2}},)j"
      R"j({"organisation":"oregon","state":"late","reason":"no answer"}])j";
  get("/api/v1/systems/{name}", Verb::read_twins,
      std::string(R"j({"name":"smoke","title":"Smoke","version":3,"needs":"quorum(2)",)j"
                  R"j("members":[{"name":"air@washington","state":"ready"}],"properties":[)j"
                  R"j({"name":"pm25","item":"mean(pm25)","over":"1d","keep":true,)j"
                  R"j("state":"partial","next_due":"2015-08-25T02:00:00Z","problem":"",)j") +
          kept + "}]}");
  get("/api/v1/systems/{name}/tree", Verb::read_twins,
      R"j({"name":"smoke","items":[{"depth":0,"name":"smoke","kind":"system"},)j"
      R"j({"depth":1,"name":"air@washington","kind":"export","organisation":"washington",)j"
      R"j("site":"main","domain":"air","agreement":"air","state":"ready",)j"
      R"j("last":{"state":"answered","at":"2015-08-24T02:00:01Z"}}]})j");
  get("/api/v1/systems/{name}/history", Verb::read_twins,
      std::string(R"j({"name":"smoke","next":null,"items":[{"property":"pm25",)j") + kept + "}]}");
  get("/api/v1/systems/{name}/versions", Verb::read_twins,
      R"j({"name":"smoke","items":[{"version":3,"declared":"2015-08-01T00:00:00Z",)j"
      R"j("source":"node","actor":"user:ann","state":"declared","text":"[system.smoke]"}]})j");
  get("/api/v1/systems/{name}/forecast", Verb::read_twins,
      R"j({"twin":"system/smoke","model":"released","kind":"exponential_smoothing","version":3,)j"
      R"j("values":40,"issued":"2015-08-23T00:00:00Z","items":[{"signal":"pm25","path":[)j"
      R"j({"time":"2015-08-24T00:00:00Z","mean":50.1,"low50":48,"high50":52,"low90":44,)j"
      R"j("high90":56}]}]})j");
  const char* checked =
      R"j({"name":"smoke","ok":true,"findings":[{"member":"air@oregon","property":"pm25",)j"
      R"j("code":"ENT-4005","what":"no","remedy":"yes"}],"window_charge":{"charge":[)j"
      R"j({"organisation":"washington","domain":"air","epsilon":0.2,"quota_epsilon":4}]}})j";
  get("/api/v1/systems/{name}/check", Verb::read_twins, checked);
  post("/api/v1/systems/check", Verb::read_twins, BodyKind::text, checked);
  post("/api/v1/systems", Verb::write_twins, BodyKind::text,
       R"j({"name":"smoke","version":4,"needs":"any","members":[],"properties":[]})j");
  post("/api/v1/systems/{name}/remove", Verb::write_twins, BodyKind::json,
       R"j({"name":"smoke","version":5})j");
  get("/api/v1/exports", Verb::read_twins,
      R"j({"items":[{"name":"air","domain":"air","type":"dtmi:org:air:Monitor;1",)j"
      R"j("keys":{"state":["WA"]},)j"
      R"j("measures":{"pm25":{"mean":[0,200]}},"tick":"1h"}]})j");
  get("/api/v1/exports/{name}", Verb::read_twins,
      R"j({"name":"air","site":"main","domain":"air","type":"dtmi:org:air:Monitor;1",)j"
      R"j("keys":["state"],"unit":"property:owner","protects":"all twins with one owner",)j"
      R"j("groups_per_unit":2,"block":"1d","epsilon_per_block":8,"delta":1e-6,)j"
      R"j("threshold_delta":0,"private_keys":[],"cells":3,"declared_units":54,"tick":"1h",)j"
      R"j("zone":"UTC","lateness":"2h","revisions":[],"signals":[{"name":"pm25","unit":"ug/m3",)j"
      R"j("reducer":"mean","bounds":[{"reducer":"mean","lower":0,"upper":200},)j"
      R"j({"reducer":"max","lower":0,"upper":500}]}]})j");
  get("/api/v1/audit/verify", Verb::read_audit, R"j({"records":412,"head":"9c1f","ok":true})j");
  const char* policy =
      R"j({"users":[{"user":"ann","roles":["analyst"],"until":{"analyst":"2026-01-01T00:00:00Z"},)j"
      R"j("password":true,"state":"enabled"}],)j"
      R"j("roles":[{"role":"analyst","built_in":true,"verbs":["ask","read_twins"]}],)j"
      R"j("grants":[{"to":"user:ann","verb":"write_twins","resource":"twin:press-7",)j"
      R"j("expires":null,"state":"active"}]})j";
  get("/api/v1/access", Verb::read_policy, policy);
  post("/api/v1/access/users/{user}/roles", Verb::manage_roles, BodyKind::json, policy);
  post("/api/v1/access/users/{user}/roles/{role}/revoke", Verb::manage_roles, BodyKind::json,
       policy);
  post("/api/v1/access/roles/{role}", Verb::manage_roles, BodyKind::json, policy);
  post("/api/v1/access/roles/{role}/remove", Verb::manage_roles, BodyKind::json, policy);
  post("/api/v1/access/users/{user}/disable", Verb::disable_users, BodyKind::json, policy);
  post("/api/v1/access/users/{user}/enable", Verb::manage_roles, BodyKind::json, policy);
  const char* set = R"j({"user":"ann","password":"set"})j";
  post("/api/v1/access/users/{user}/password", Verb::manage_roles, BodyKind::json, set);
  post("/api/v1/password", Verb::read_status, BodyKind::json, set);
  post("/api/v1/login", Verb::read_status, BodyKind::json,
       R"j({"user":"ann","expires":"2026-01-01T00:00:00Z","token":"ent_x"})j");
  const std::string approval =
      R"j({"id":"ap-3f9a","step":"sign_agreement","operation":"signAgreement",)j"
      R"j("path":{"id":"3f9a"},"query":{},"body":"{}","hash":"00ff","requester":"ann",)j"
      R"j("requested":"2026-01-01T00:00:00Z","expires":"2026-01-04T00:00:00Z",)j"
      R"j("state":"waiting","decided_by":"","outcome":""})j";
  get("/api/v1/approvals", Verb::read_policy, "{\"items\":[" + approval + "],\"steps\":[]}");
  get("/api/v1/approvals/{id}", Verb::read_policy, approval);
  post("/api/v1/approvals/{id}/approve", Verb::manage_roles, BodyKind::json, R"j({"ok":true})j");
  post("/api/v1/approvals/{id}/reject", Verb::manage_roles, BodyKind::json,
       R"j({"id":"ap-3f9a","state":"rejected"})j");
  post("/api/v1/approvals/steps/{step}/require", Verb::manage_roles, BodyKind::json, policy);
  post("/api/v1/approvals/steps/{step}/waive", Verb::manage_roles, BodyKind::json, policy);
  const std::string former =
      R"j({"number":12,"time":"2026-01-01T00:00:00Z","by":"user:ann","action":"role.grant",)j"
      R"j("what":"user:kim role:analyst","text":"[user.ann]"})j";
  get("/api/v1/access/policies", Verb::read_policy, "{\"items\":[" + former + "]}");
  get("/api/v1/access/policies/{number}", Verb::read_policy, former);
  post("/api/v1/access/policies/{number}/restore", Verb::restore_policy, BodyKind::json, policy);
  post("/api/v1/access/break-glass/acknowledge", Verb::manage_roles, BodyKind::json,
       R"j({"state":"acknowledged"})j");
  post("/api/v1/access/grants", Verb::manage_roles, BodyKind::json, policy);
  post("/api/v1/access/grants/revoke", Verb::manage_roles, BodyKind::json, policy);
  get("/api/v1/access/why", Verb::read_policy,
      R"j({"user":"ann","allowed":true,"reason":"role analyst allows it","could_grant":[]})j");
  get("/api/v1/access/who-can", Verb::read_policy,
      R"j({"items":[{"user":"ann","reason":"role analyst allows it"}]})j");
  get("/api/v1/access/tokens", Verb::read_policy,
      R"j({"items":[{"name":"gate","user":"ann","only":["ask"],"state":"active",)j"
      R"j("expires":"2026-01-01T00:00:00Z"}]})j");
  post("/api/v1/access/tokens", Verb::manage_roles, BodyKind::json,
       R"j({"name":"gate","user":"ann","expires":"2026-01-01T00:00:00Z","token":"ent_x"})j");
  post("/api/v1/access/tokens/{name}/revoke", Verb::manage_roles, BodyKind::json,
       R"j({"name":"gate","state":"revoked"})j");
  get("/api/v1/audit/records", Verb::read_audit,
      R"j({"items":[{"sequence":1,"time":"2026-01-01T00:00:00Z","actor":"node",)j"
      R"j("action":"release","object":"export:air","outcome":"done","detail":{}}],"next":""})j");
  get("/api/v1/audit/checkpoint", Verb::read_audit,
      R"j({"organisation":"9c1f","site":"main","size":1,"time":"2026-01-01T00:00:00Z",)j"
      R"j("checkpoint":"entente/9c1f/main\n1\n","charters":[],"witnesses":[]})j");
  post("/api/v1/vault/unseal", Verb::read_status, BodyKind::json, R"j({"sealed":false})j");
  post("/api/v1/backups", Verb::make_backups, BodyKind::json,
       R"j({"name":"a.backup","file":"/b/a.backup","state":"done","begun":"2026-01-01T00:00:00Z",)j"
       R"j("bytes":7,"total":7,"files":2})j");
  get("/api/v1/backups", Verb::make_backups,
      R"j({"folder":"/b","latest":null,"items":[{"name":"a.backup","bytes":7,)j"
      R"j("organisation":"washington","site":"main","created":"2026-01-01T00:00:00Z",)j"
      R"j("version":"0.1.0"}]})j");
  get("/api/v1/audit/witnesses", Verb::read_audit,
      R"j({"items":[{"partner":"oregon","state":"active","cosigned":1,)j"
      R"j("cosigned_at":"2026-01-01T00:00:00Z","seen":null,"seen_at":null,"warning":""}],)j"
      R"j("conflicts":[]})j");
}

FakeNode::FakeNode() {
  server_ =
      std::make_unique<RunningServer>([this](RouteTable& table, RunningServer&) { fill(table); });
  folder.write("admin.token", kToken + "\n");
  folder.write("entente.toml", "[http]\nport = 0\n");
  folder.write("run/http.port", std::to_string(server_->port) + "\n");
  local.init = [](const InitOptions& options) -> Result<LocalReport> {
    return LocalReport{{{"organisation", options.organisation},
                        {"title", options.title},
                        {"site", options.site},
                        {"home", options.home}},
                       {"Start it with: entente serve"}};
  };
  local.serve = [](const ServeOptions&) -> Result<int> { return 0; };
  local.node_check = [](const NodeCheckOptions& options) -> Result<LocalReport> {
    boost::json::array findings;
    if (options.repair) {
      findings.push_back({{"file", "history.db"},
                          {"table", "segment"},
                          {"row", "segment 7"},
                          {"what", "fails its checksum"},
                          {"remedy", "restore it"}});
    }
    return LocalReport{
        {{"ok", findings.empty()}, {"findings", findings}, {"repairs", boost::json::array()}}, {}};
  };
  local.privacy_audit =
      [](const PrivacyAuditOptions& options) -> Result<std::vector<federation::PrivacyAudit>> {
    federation::PrivacyAudit made_up;
    made_up.mechanisms = {{"law", 10, 5, false, false}};
    made_up.controls = {{"half the noise", "mean(load)", options.runs, 1, 0.9, 2, 1.5, 1e-6, true}};
    federation::PrivacyAudit own = made_up;
    own.subject = "air", own.mechanisms.clear();
    own.findings = {{"one unit dropped", "count(*)", options.runs, 1, 0.9, 0.8, 0.5, 1e-6, false}};
    // A file that begins so stands for an export whose answers leak.
    own.findings[0].refuted = options.exports && options.exports->text.find("leaks") == 0;
    return std::vector{made_up, own};
  };
  local.agreement_check = [](const AgreementCheckOptions& options) -> Result<LocalReport> {
    if (options.text.find("[agreement]") == std::string::npos) {
      return make_error(ErrorCode::agreement_invalid, options.path + ": no [agreement]");
    }
    return LocalReport{{{"tests", 3}, {"held", 3}}, {}};
  };
  local.vault_status = [](const std::string& home) -> Result<LocalReport> {
    return LocalReport{{{"opened_by", "key-file"}, {"file", home + "/vault.key"}}, {}};
  };
  local.vault_protect = [](const VaultProtectOptions& options) -> Result<LocalReport> {
    return LocalReport{{{"opened_by", options.way}, {"file", options.home}}, {}};
  };
  local.backup_way = [](const std::string&) -> Result<std::string> { return "key-file"; };
  local.backup_verify = [](const BackupOptions& options) -> Result<LocalReport> {
    return LocalReport{{{"file", options.file}, {"ok", true}}, {}};
  };
  local.restore = [](const BackupOptions& options) -> Result<LocalReport> {
    return LocalReport{{{"file", options.file}, {"home", options.home}}, {}};
  };
  local.sleep = [](Duration) {};
  reply("PREVIEW", kPreview);
}

Ran run_bare(const LocalCommands& local, const std::vector<std::string>& arguments,
             const Terminal& terminal) {
  std::istringstream in(terminal.input);
  std::ostringstream out, err;
  Streams streams{in,
                  out,
                  err,
                  terminal.people,
                  terminal.people,
                  terminal.people,
                  [&](const std::string& name) -> std::optional<std::string> {
                    const auto found = terminal.environment.find(name);
                    if (found == terminal.environment.end()) return std::nullopt;
                    return found->second;
                  }};
  const int code = run_cli(arguments, streams, local);
  return {code, out.str(), err.str()};
}

Ran run(const FakeNode& node, std::vector<std::string> arguments, const Terminal& terminal) {
  Terminal with_home = terminal;
  with_home.environment["ENTENTE_HOME"] = node.folder.path;
  return run_bare(node.local, arguments, with_home);
}

}  // namespace entente::node::test
