#include "udp.hpp"

#ifdef _WIN32
#include <winsock2.h>
using Length = int;
#else
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
using Length = socklen_t;
#endif

namespace bandmate {

namespace {

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

} // namespace

UdpSocket::UdpSocket() {
#ifdef _WIN32
    WSADATA ignored;
    WSAStartup(MAKEWORD(2, 2), &ignored);
    handle_ = std::intptr_t(socket(AF_INET, SOCK_DGRAM, 0));
    u_long on = 1;
    ioctlsocket(SOCKET(handle_), FIONBIO, &on);
#else
    handle_ = socket(AF_INET, SOCK_DGRAM, 0);
    fcntl(int(handle_), F_SETFL, O_NONBLOCK);
    fcntl(int(handle_), F_SETFD, FD_CLOEXEC);
#endif
    const sockaddr_in any = loopback(0);
    bind(int(handle_), reinterpret_cast<const sockaddr*>(&any), Length(sizeof any));
}

UdpSocket::~UdpSocket() {
#ifdef _WIN32
    closesocket(SOCKET(handle_));
    WSACleanup();
#else
    close(int(handle_));
#endif
}

void UdpSocket::send(const std::string& bytes, std::uint16_t port) {
    const sockaddr_in to = loopback(port);
    sendto(int(handle_), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
           Length(sizeof to));
}

bool UdpSocket::receive(std::string& bytes) {
    char buffer[65536];
    const auto got = recv(int(handle_), buffer, sizeof buffer, 0);
    if (got < 0) return false;
    bytes.assign(buffer, std::size_t(got));
    return true;
}

} // namespace bandmate
