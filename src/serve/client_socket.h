// The socket of a request's client: whether it is still there.
#pragma once

#include <string>

namespace emend {

// Looks for the socket of this process whose other end is `address` and `port`; the library that reads
// requests does not tell it. It must stay open as long as this is asked.
class ClientSocket {
 public:
  ClientSocket(const std::string& address, int port);

  // The client closed its end, or its half of the connection, or was cut off. False where no such socket was
  // found.
  bool is_gone() const;

 private:
  int socket_ = -1;
};

}  // namespace emend
