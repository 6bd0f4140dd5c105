// A serial port: sends at once, receives a byte every `byte_time`.
#pragma once
#include "peripheral.hpp"

namespace tinyformer {

class Uart : public Peripheral {
public:
    // `has_status_first`: SR and DR at the start of the register block (F4) instead of ISR, RDR and TDR.
    Uart(Address base, unsigned irq, bool has_status_first, Cycle byte_time, HostIo* io);

    std::uint32_t read(Address offset, Cycle now) override;
    void write(Address offset, std::uint32_t value, Cycle now) override;
    bool interrupt(Cycle now) override;
    Cycle next_event(Cycle now) override;

private:
    bool available(Cycle now) const;
    std::uint32_t status(Cycle now);
    std::uint32_t receive(Cycle now);
    std::uint32_t control() const;  // the register with the interrupt enables

    bool status_first_;
    Cycle byte_time_;
    HostIo& io_;
    Cycle next_byte_ = 0;
    unsigned idle_polls_ = 0;
    std::uint32_t registers_[16] = {};
};

}  // namespace tinyformer
