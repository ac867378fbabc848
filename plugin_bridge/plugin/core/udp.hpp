// Datagrams on this machine.
#pragma once

#include <cstdint>
#include <string>

namespace bandmate {

class UdpSocket {
public:
    UdpSocket();
    ~UdpSocket();
    UdpSocket(const UdpSocket&) = delete;
    UdpSocket& operator=(const UdpSocket&) = delete;

    void send(const std::string& bytes, std::uint16_t port);
    // False if nothing is there now.
    bool receive(std::string& bytes);

private:
    std::intptr_t handle_;
};

} // namespace bandmate
