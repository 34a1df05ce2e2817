#include "node/service/authenticator.h"
#include "schemas/base/hash.h"

namespace entente::node {

Hash256 token_hash(std::string_view token) {
  return hash("entente http token v1", bytes_of(token));
}

}  // namespace entente::node
