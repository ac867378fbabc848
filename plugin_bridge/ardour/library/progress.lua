-- How far a job is, out of the state that the server keeps in the job's folder.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)

local progress = {}

-- Return { state, percent }, or nil while the server has not taken the request.
function progress.of (id)
	local text = wire.read (wire.workdir .. "/jobs/" .. id .. "/state.json")
	if not text then return nil end
	return {
		state = text:match ('"state":%s*"(%l+)"') or "unknown",
		percent = math.floor (100 * (tonumber (text:match ('"fraction":%s*([%d.]+)')) or 0)),
	}
end

-- In words: "waiting", "40 %".
function progress.words (job)
	if not job then return "asked" end
	if job.state == "queued" then return "waiting" end
	return job.percent .. " %"
end

return progress
