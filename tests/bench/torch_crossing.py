"""The crossing in torch, on whole batches: an alternative solver, kept for comparison."""

from __future__ import annotations

import torch

from validation_ch7.traffic.parameters import TrafficParameters


class TorchCrossing:
    """As the reference of the tests, with tensors of shape (cells, lanes); lane = `link * batch + scenario`."""

    def __init__(self, parameters: TrafficParameters, batch: int) -> None:
        self.parameters = parameters
        self.first_exit = 4 * batch
        cells, lanes = parameters.n_cells, 8 * batch
        self.rho = torch.zeros(cells, lanes, dtype=torch.float64)
        self.w = torch.full((cells, lanes), parameters.vf_m_s, dtype=torch.float64)
        self.queue_veh = torch.zeros(self.first_exit, dtype=torch.float64)
        self.flow_sum = torch.zeros(lanes, dtype=torch.float64)
        self.inside_sum = torch.zeros(lanes, dtype=torch.float64)

    def advance(self, gate: torch.Tensor, inflow_veh: torch.Tensor, w_in: torch.Tensor) -> None:
        """One step."""
        p, rho, w, out = self.parameters, self.rho, self.w, self.first_exit
        slope = p.pressure_slope
        v = (w - slope * rho).clamp_min(0.0)
        flux = torch.empty(len(rho) + 1, rho.shape[1], dtype=torch.float64)
        flux[1:-1] = _flow(torch.minimum(torch.minimum(v[1:] / slope, rho[:-1]), w[:-1] * (0.5 / slope)), w[:-1], slope)
        stop = torch.minimum(torch.minimum(v[0, out:] / slope, rho[-1, :out]), w[-1, :out] * (0.5 / slope))
        flux[-1, :out] = _flow(stop, w[-1, :out], slope) * gate
        flux[0, out:] = flux[-1, :out]
        flux[-1, out:] = _flow(torch.minimum(rho[-1, out:], w[-1, out:] * (0.5 / slope)), w[-1, out:], slope)
        room = _flow(torch.maximum((w_in - v[0, :out]) / slope, w_in * (0.5 / slope)), w_in, slope)
        waiting = self.queue_veh + inflow_veh
        entering = torch.minimum(waiting, room * p.dt_s)
        self.queue_veh = waiting - entering
        flux[0, :out] = entering / p.dt_s
        self.inside_sum += rho.sum(dim=0)
        self.flow_sum += flux[1:].sum(dim=0)
        before = torch.cat((torch.cat((w_in, w[-1, :out]))[None], w[:-1]))
        came = flux[:-1] * p.cell_ratio
        self.rho = rho - flux[1:] * p.cell_ratio + came
        mixed = (before - w) * (came / self.rho.clamp_min(1e-250)) + w
        self.w = (mixed - p.vf_m_s) * p.relaxation_factor + p.vf_m_s


def _flow(rho: torch.Tensor, w: torch.Tensor, slope: float) -> torch.Tensor:
    return rho * (w - slope * rho)
