#include "node/model/model_archive.h"

#include <bit>
#include <cstring>

#include "schemas/base/hash.h"

namespace entente::node {

namespace {

constexpr std::string_view kMagic = "EMODEL";
constexpr std::uint16_t kFormat = 1;
constexpr std::string_view kContext = "entente model v1";
constexpr std::size_t kHashBytes = 32;

Error unreadable(const char* why) {
  return make_error(ErrorCode::input_unreadable, std::string("a saved model ") + why,
                    "identify the model again, or take a copy of it from a backup");
}

}  // namespace

template <class T>
void ModelArchive::integer(T& value) {
  static_assert(std::endian::native == std::endian::little);
  if (!reading_) {
    const auto* raw = reinterpret_cast<const std::uint8_t*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof(T));
  } else if (failed_ || bytes_.size() - at_ < sizeof(T)) {
    failed_ = true;
    value = {};
  } else {
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
  }
}

ModelArchive ModelArchive::writer() {
  ModelArchive archive;
  const ByteView magic = bytes_of(kMagic);
  archive.bytes_.assign(magic.begin(), magic.end());
  std::uint16_t format = kFormat;
  archive.integer(format);
  return archive;
}

Result<ModelArchive> ModelArchive::reader(ByteView bytes) {
  if (bytes.size() > kModelBytes) return unreadable("is larger than any can be");
  if (bytes.size() < kMagic.size() + sizeof(kFormat) + kHashBytes ||
      text_of(bytes.first(kMagic.size())) != kMagic) {
    return unreadable("does not begin like one, or is cut short");
  }
  const ByteView body = bytes.first(bytes.size() - kHashBytes);
  ModelArchive archive;
  archive.reading_ = true;
  archive.bytes_.assign(body.begin(), body.end());
  archive.at_ = kMagic.size();
  std::uint16_t format = 0;
  archive.integer(format);
  if (format > kFormat) {
    return make_error(ErrorCode::version_too_new,
                      "a saved model has format " + std::to_string(format));
  }
  const Hash256 expected = hash(kContext, body);
  if (std::memcmp(expected.bytes.data(), bytes.data() + body.size(), kHashBytes) != 0) {
    return unreadable("is damaged: its checksum differs");
  }
  return archive;
}

Bytes ModelArchive::finish() {
  const Hash256 sum = hash(kContext, bytes_);
  bytes_.insert(bytes_.end(), sum.bytes.begin(), sum.bytes.end());
  return std::move(bytes_);
}

std::size_t ModelArchive::length(std::size_t items, std::size_t bytes_each) {
  std::uint64_t value = items;
  integer(value);
  if (!reading_) return items;
  if (failed_ || value > (bytes_.size() - at_) / bytes_each) {
    failed_ = true;
    return 0;
  }
  return static_cast<std::size_t>(value);
}

void ModelArchive::number(double& value) {
  integer(value);
}
void ModelArchive::count(std::uint64_t& value) {
  integer(value);
}
void ModelArchive::time(Instant& value) {
  integer(value.ns);
}

void ModelArchive::size(std::size_t& value) {
  std::uint64_t wide = value;
  integer(wide);
  value = static_cast<std::size_t>(wide);
}

void ModelArchive::flag(bool& value) {
  std::uint8_t byte = value ? 1 : 0;
  integer(byte);
  if (byte > 1) failed_ = true;
  value = byte == 1;
}

void ModelArchive::text(std::string& value) {
  const std::size_t size = length(value.size(), 1);
  if (reading_)
    value.assign(reinterpret_cast<const char*>(bytes_.data()) + at_, size), at_ += size;
  else
    bytes_.insert(bytes_.end(), value.begin(), value.end());
}

void ModelArchive::numbers(std::vector<double>& values) {
  const std::size_t size = length(values.size(), sizeof(double));
  if (reading_) values.assign(size, 0);
  for (double& value : values) number(value);
}

void ModelArchive::numbers(std::deque<double>& values) {
  std::vector<double> flat(values.begin(), values.end());
  numbers(flat);
  if (reading_) values.assign(flat.begin(), flat.end());
}

void ModelArchive::spec(ModelSpec& spec) {
  const auto names = [this](std::vector<std::string>& list) {
    const std::size_t size = length(list.size(), sizeof(std::uint64_t));
    if (reading_) list.assign(size, {});
    for (std::string& name : list) text(name);
  };
  text(spec.kind);
  integer(spec.version);
  names(spec.signals);
  names(spec.inputs);
  integer(spec.step.ns);
  const std::size_t size = length(spec.parameters.size(), 2 * sizeof(std::uint64_t));
  if (!reading_) {
    for (auto& [name, values] : spec.parameters) {
      std::string copy = name;
      text(copy);
      numbers(values);
    }
    return;
  }
  spec.parameters.clear();
  for (std::size_t i = 0; i < size && !failed_; ++i) {
    std::string name;
    text(name);
    numbers(spec.parameters[name]);
  }
}

}  // namespace entente::node
