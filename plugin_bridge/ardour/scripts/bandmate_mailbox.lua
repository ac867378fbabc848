ardour {
	["type"]    = "EditorHook",
	name        = "bandmate: Mailbox",
	license     = "MIT",
	author      = "bandmate",
	description = [[Import the stems that bandmate's server has finished, and show what went wrong.]]
}

function signals ()
	local set = LuaSignal.Set ()
	set:add ({ [LuaSignal.LuaTimerDS] = true })
	return set
end

function factory ()
	local mailbox, busy
	return function ()
		if busy then return end -- importing and messages run the main loop: the timer fires inside them
		busy = true
		local ok, problem = pcall (function ()
			if mailbox == nil then
				mailbox = false -- a library that cannot be loaded is reported once
				local library = ARDOUR.user_config_directory (-1) .. "/bandmate/"
				mailbox = assert (loadfile (library .. "mailbox.lua")) (library)
			end
			if mailbox then mailbox.step () end
		end)
		if not ok then
			LuaDialog.Message ("bandmate", tostring (problem), LuaDialog.MessageType.Error, LuaDialog.ButtonType.OK):run ()
		end
		busy = false
	end
end
