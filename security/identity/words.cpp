#include "security/identity/words.h"

namespace entente::security {
namespace {

// clang-format off
constexpr std::array<std::string_view, 256> kList = {
    "acid", "acorn", "actor", "adult", "agent", "alarm", "album", "alley", "almond", "amber",
    "anchor", "angle", "april", "apron", "arena", "arrow", "atlas", "autumn", "bacon", "badge",
    "bagel", "bakery", "bamboo", "banjo", "barley", "basket", "beach", "beard", "bishop", "blade",
    "blanket", "bottle", "bridge", "bronze", "brush", "bubble", "bucket", "butter", "cabin",
    "cactus", "camel", "candle", "canoe", "carpet", "castle", "cedar", "cellar", "chalk",
    "cheese", "cherry", "chess", "cinema", "circus", "clock", "cloud", "clover", "coast", "cobra",
    "coffee", "comet", "copper", "cotton", "cousin", "coyote", "cradle", "crayon", "cricket",
    "crown", "dagger", "daisy", "dance", "dentist", "desert", "diamond", "dinner", "doctor",
    "dolphin", "donkey", "dragon", "dream", "drum", "eagle", "earth", "echo", "elbow", "engine",
    "envoy", "fabric", "falcon", "farmer", "feather", "fence", "fiber", "fiddle", "finger",
    "flame", "flute", "forest", "fossil", "fox", "fungus", "galaxy", "garlic", "ghost", "giant",
    "glacier", "globe", "goat", "grape", "gravel", "guitar", "hammer", "harvest", "hazel",
    "helmet", "heron", "hobby", "hockey", "horse", "hotel", "hunter", "icicle", "igloo", "insect",
    "island", "ivory", "ivy", "jacket", "jaguar", "jelly", "jewel", "jungle", "kayak", "kettle",
    "kitten", "ladder", "lagoon", "lemon", "lentil", "leopard", "library", "lily", "lion",
    "lizard", "lobster", "lotus", "magnet", "mango", "maple", "marble", "meadow", "mirror",
    "mosaic", "museum", "mustard", "napkin", "nectar", "needle", "nickel", "north", "novel",
    "oasis", "ocean", "olive", "onion", "opera", "orange", "orbit", "otter", "oxygen", "oyster",
    "paddle", "palace", "panda", "paper", "paste", "peanut", "pebble", "pencil", "piano",
    "pigeon", "pillow", "pirate", "planet", "plum", "pocket", "poem", "potato", "prairie",
    "pulley", "puzzle", "quartz", "rabbit", "radish", "raven", "rhubarb", "ribbon", "river",
    "robot", "sailor", "salmon", "sandal", "saturn", "scarf", "school", "scooter", "shadow",
    "shelf", "silver", "skate", "snail", "soap", "spider", "sponge", "squid", "statue", "storm",
    "sugar", "summer", "swan", "syrup", "tablet", "teapot", "temple", "throne", "thumb", "tiger",
    "timber", "tomato", "torch", "tractor", "tropic", "trumpet", "tulip", "tunnel", "turtle",
    "umbrella", "unicorn", "vanilla", "vapor", "velvet", "violin", "volcano", "waffle", "wagon",
    "wallet", "walnut", "weasel", "wheat", "window", "winter", "wolf", "yacht", "yogurt", "zebra",
    "zipper",
};
// clang-format on

}  // namespace

const std::array<std::string_view, 256>& word_list() { return kList; }

EightWords words_of(const Hash256& transcript) {
  EightWords out;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = kList[transcript.bytes[i]];
  return out;
}

std::string to_text(const EightWords& words) {
  std::string out;
  for (const std::string_view word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

}  // namespace entente::security
