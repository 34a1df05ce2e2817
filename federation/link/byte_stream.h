// An ordered, authenticated stream of bytes as the firewall sees it: TLS in production, a pipe in
// the simulator and in fuzzing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schemas/base/bytes.h"

namespace entente::federation {

// Threads: loop. Events come from the loop, never from inside a call of the reader's own.
class ByteStream {
 public:
  class Reader {
   public:
    // Up to kReadBytes; the view lives until the next `want_read`, which this answers once.
    virtual void on_bytes(ByteView bytes) = 0;
    // The last `write` was taken whole.
    virtual void on_written() = 0;
    // The stream ended: empty for the peer's orderly end. Nothing follows.
    virtual void on_closed(const std::string& why) = 0;

   protected:
    ~Reader() = default;
  };

  virtual ~ByteStream() = default;
  // Before anything else; null stops all events.
  virtual void set_reader(Reader* reader) = 0;
  // Asks for bytes once; asking again while a read is under way does nothing.
  virtual void want_read() = 0;
  // Takes the bytes out of `bytes` and leaves it an empty buffer for the next; one at a time.
  virtual void write(std::vector<std::uint8_t>& bytes) = 0;
  // Closes now, without waiting for the peer.
  virtual void close() = 0;
};

}  // namespace entente::federation
